"""Times training steps of the same net in Keras: python train_keras.py CARD SIZE BATCH STEPS

Mixed precision in bf16 (see precision.py) and a compiled `train_on_batch`, with TensorFlow behind it.
"""

import json
import os
import statistics
import sys
import time

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
import keras
import numpy as np
from keras import layers
from precision import has_bf16
from report import report

card, size, batch, steps = sys.argv[1], *map(int, sys.argv[2:5])
config = json.load(open(card))["net"]
keras.utils.set_random_seed(0)
keras.mixed_precision.set_global_policy("mixed_bfloat16" if has_bf16() else "float32")


def conv(x, outputs: int, kernel: int, stride: int = 1):
    return layers.Conv2D(outputs, kernel, stride, "same", use_bias=False)(x)


def norm_relu(x):
    return layers.ReLU()(layers.BatchNormalization(momentum=0.9, epsilon=1e-5)(x))


def block(x, outputs: int, inner: int, stride: int, survival: float):
    y = conv(norm_relu(x), inner, 1)
    y = conv(norm_relu(y), inner, 3, stride)
    y = conv(norm_relu(y), outputs, 1)
    if survival < 1:
        y = layers.Dropout(1 - survival, noise_shape=(None, 1, 1, 1))(y)  # stochastic depth
    same = x.shape[-1] == outputs and stride == 1
    return layers.Add()([y, x if same else conv(x, outputs, 1, stride)])


def ror():
    widths, blocks = config["widths"], config["blocks"]
    pictures = keras.Input((size, size, 3))
    x = layers.Rescaling(1 / 64, offset=-127.5 / 64)(pictures)
    x = conv(x, widths[0], 7, config["stem_stride"])
    stem = x = layers.MaxPooling2D(3, config["pool"], "same")(x)
    number = 0
    for g, (width, count) in enumerate(zip(widths, blocks)):
        stride = 1 if g == 0 else 2
        around = conv(x, width, 1, stride)
        for i in range(count):
            number += 1
            survival = 1 - (1 - config["survival"]) * number / sum(blocks)
            x = block(x, width, width // config["bottleneck"], stride if i == 0 else 1, survival)
        x = layers.Add()([x, around])
    x = layers.Add()([x, conv(stem, widths[-1], 1, 8)])
    x = layers.GlobalAveragePooling2D()(norm_relu(x))
    x = layers.Dropout(config["dropout"])(layers.Dense(config["dense"], activation="relu")(x))
    return keras.Model(pictures, layers.Dense(config["outputs"], dtype="float32")(x))


net = ror()
net.compile(keras.optimizers.AdamW(1e-3, weight_decay=0.05), keras.losses.BinaryCrossentropy(from_logits=True))
pictures = np.random.randint(0, 256, (4 * batch, size, size, 3), dtype=np.uint8)
targets = np.random.rand(4 * batch, config["outputs"]).astype(np.float32)
seconds = []
for i in range(steps + 3):
    at = (i % 4) * batch
    start = time.perf_counter()
    net.train_on_batch(pictures[at : at + batch], targets[at : at + batch])
    if i >= 3:
        seconds.append(time.perf_counter() - start)
parameters = sum(int(np.prod(weight.shape)) for weight in net.trainable_weights)
report("keras", "tensorflow-cpu", seconds=statistics.median(seconds), parameters=parameters)
