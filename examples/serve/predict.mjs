// Predicts photos with a running server: node examples/serve/predict.mjs http://127.0.0.1:8000 PHOTO...
import { readFile } from "node:fs/promises";
const [server, ...photos] = process.argv.slice(2);
for (const photo of photos) {
  const answer = await fetch(`${server}/v1/predict`, { method: "POST", body: await readFile(photo) });
  for (const face of (await answer.json()).faces) console.log(photo, face.gender, Math.round(face.age));
}
