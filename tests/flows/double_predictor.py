import os


class Predictor:
    def __init__(self):
        with open(os.environ["MODEL_FILES_PATH"] + "/factor") as file:
            self.factor = int(file.read())

    def predict(self, inputs):
        return [row[0] * self.factor for row in inputs]
