"""Trains the original's own net in Keras, as its notebook did: python train_original.py FOLDER

Adam at 1e-3, batches of 64, 20 epochs, no augmentation. FOLDER has pictures and genders of the train
and the validation part, as the benchmark writes them. Prints the seconds until validation first is
as right as at the end.
"""

import os
import sys
import time

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
import keras
import numpy as np
from keras import layers
from report import report

folder, size = sys.argv[1], 32
keras.utils.set_random_seed(0)


def part(name: str):
    pictures = np.fromfile(os.path.join(folder, f"{name}.pictures"), np.uint8).reshape(-1, size, size, 3)
    return pictures, np.fromfile(os.path.join(folder, f"{name}.female"), np.uint8)


def conv(x, outputs: int, kernel: int, stride: int = 1):
    return layers.Conv2D(outputs, kernel, stride, "same")(x)


def norm_relu(x):
    return layers.ReLU()(layers.BatchNormalization()(x))


def original():
    pictures = keras.Input((size, size, 3))
    x = layers.ReLU()(conv(layers.Rescaling(1 / 255)(pictures), 32, 7))
    x = layers.MaxPooling2D(3, 2, "same")(x)
    for group, width in enumerate([32, 64, 128, 256]):
        stride = 1 if group == 0 else 2
        y = norm_relu(conv(x, width, 1))
        y = norm_relu(conv(y, width, 3, stride))
        y = conv(y, width, 1)
        x = layers.ReLU()(layers.Add()([y, *(conv(x, width, 1, stride) for _ in range(4))]))
    x = layers.Dense(256, activation="relu")(layers.GlobalAveragePooling2D()(x))
    return keras.Model(pictures, layers.Dense(1, activation="sigmoid")(x))


class Clock(keras.callbacks.Callback):
    def __init__(self):
        super().__init__()
        self.start, self.epochs = time.perf_counter(), []

    def on_epoch_end(self, epoch, logs=None):
        self.epochs.append((time.perf_counter() - self.start, logs["val_accuracy"]))
        print(epoch + 1, *self.epochs[-1], file=sys.stderr, flush=True)


net, clock = original(), Clock()
net.compile(keras.optimizers.Adam(1e-3), "binary_crossentropy", metrics=["accuracy"])
net.fit(*part("train"), batch_size=64, epochs=20, validation_data=part("validation"), callbacks=[clock], verbose=0)
reached = clock.epochs[-1][1]
seconds = next(seconds for seconds, accuracy in clock.epochs if accuracy >= reached)
report(
    "keras", "tensorflow-cpu", how="the original's net", seconds=seconds,
    parameters=net.count_params(), accuracy=reached, whole=clock.epochs[-1][0],
)
