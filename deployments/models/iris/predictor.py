"""Loads the forest that training saved, and names the iris of each row."""

import os

import joblib


class Predictor:
    def __init__(self):
        self.model = joblib.load(os.environ["MODEL_FILES_PATH"] + "/model.joblib")

    def predict(self, inputs):
        return self.model.predict(inputs)
