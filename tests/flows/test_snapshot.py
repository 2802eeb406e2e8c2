"""What a model that a flow trains tells of the flow."""

import pytest
from prefect import flow, task
from prefect.runtime import flow_run

import moorage
from moorage.client.model import Model

pytestmark = pytest.mark.usefixtures("prefect_server")


@task
def train(path: str) -> Model:
    return moorage.login().get_model_registry().python.create_model("double").save(path)


@flow
def training(path: str) -> tuple[str, Model]:
    return str(flow_run.id), train(path)


def test_a_model_that_is_saved_in_a_flow_names_the_flow_run_and_holds_the_flow(site, model):
    run_id, saved = training(model.path)
    assert saved.lineage.flow_run == run_id
    assert "def training(path: str)" in (saved.program or "")
