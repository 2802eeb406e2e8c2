import numpy as np
import pandas as pd
import pytest

from moorage.errors import CallerError
from moorage.model_schema import ModelSchema, Schema

FRAME = pd.DataFrame({"length": [5.1], "petals": [3], 7: ["x"]})
SCHEMAS = {
    "a frame has its columns": (
        FRAME,
        {
            "columnar_schema": [
                {"name": "length", "type": "float64"},
                {"name": "petals", "type": "int64"},
                {"name": "7", "type": "object"},
            ]
        },
    ),
    "a series is one column": (FRAME["petals"], {"columnar_schema": [{"name": "petals", "type": "int64"}]}),
    "a series without a name": (pd.Series([1.5]), {"columnar_schema": [{"type": "float64"}]}),
    "an array is one tensor": (np.zeros((2, 3), "float32"), {"tensor_schema": {"type": "float32", "shape": "(2, 3)"}}),
    "entries with shapes are tensors": (
        [{"type": "float", "shape": [28, 28], "name": "image"}],
        {"tensor_schema": [{"name": "image", "type": "float", "shape": "[28, 28]"}]},
    ),
    "one entry without a shape makes all of them columns": (
        [{"type": "float", "shape": [2]}, {"type": int, "description": "how many"}],
        {
            "columnar_schema": [
                {"type": "float", "shape": "[2]"},
                {"type": "<class 'int'>", "description": "how many"},
            ]
        },
    ),
    "no entries are no tensors": ([], {"tensor_schema": []}),
}


@pytest.mark.parametrize(("given", "schema"), SCHEMAS.values(), ids=SCHEMAS.keys())
def test_a_schema_is_told_from_examples(given, schema):
    assert Schema(given).to_dict() == schema


BAD = {
    "text": ("length", "cannot be told from str 'length'"),
    "nothing": (None, "cannot be told from NoneType"),
    "an entry without a type": ([{"name": "length"}], "entry 0 has no 'type'"),
    "a tensor without a type": ([{"shape": [2]}], "entry 0 has no 'type'"),
    "an entry that is no dict": ([{"type": "float"}, "x"], "entry 1 is str 'x'"),
    "a misspelt key": ([{"type": "float", "nmae": "x"}], "entry 0 has 'nmae'"),
    "two of them": ([{}, 7], "entry 0 has no 'type'; entry 1 is int '7'"),
}


@pytest.mark.parametrize(("given", "message"), BAD.values(), ids=BAD.keys())
def test_what_no_schema_can_be_told_from_is_refused(given, message):
    with pytest.raises(CallerError, match=message):
        Schema(given)


def test_a_model_schema_holds_what_there_is():
    assert ModelSchema().to_dict() == {}
    assert ModelSchema(Schema([])).to_dict() == {"input_schema": {"tensor_schema": []}}


def test_a_model_schema_is_made_of_schemas():
    with pytest.raises(CallerError, match=r"output_schema is list .*ModelSchema\(output_schema=Schema"):
        ModelSchema(output_schema=[])  # type: ignore[arg-type]
