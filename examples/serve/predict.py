# Predicts photos with a running server: python examples/serve/predict.py http://127.0.0.1:8000 PHOTO...
import sys, requests

server, *photos = sys.argv[1:]
answer = requests.post(f"{server}/v1/predict", files=[("images", open(photo, "rb")) for photo in photos])
for photo in answer.json():
    print(photo["path"], [(face["gender"], round(face["age"])) for face in photo["faces"]])
