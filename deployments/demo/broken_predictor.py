"""What a slip looks like: the column is taken from a list of numbers as if it were a dictionary."""

import os

import joblib


class Predictor:
    def __init__(self):
        self.model = joblib.load(os.environ["MODEL_FILES_PATH"] + "/model.joblib")

    def predict(self, inputs):
        rows = [[row["sepal_length"], row["sepal_width"], 0, 0] for row in inputs]
        return self.model.predict(rows)
