"""What rules are held against: every serving tool, and models of each kind."""

from dataclasses import replace

from moorage.predictor import Framework, ModelServer, ServingTool
from moorage.rules.facts import Facts
from moorage.serving.catalog import abilities

EVERY_TOOL = abilities()
LOCAL_ONLY = {ServingTool.LOCAL: EVERY_TOOL[ServingTool.LOCAL]}
# As if every tool ran every model server: then only the rule that is meant is broken.
EVERY_SERVER = {tool: replace(able, model_servers=frozenset(ModelServer)) for tool, able in EVERY_TOOL.items()}
SAVED_MODEL = ("saved_model.pb", "variables/variables.index")
TENSORFLOW = {"framework": Framework.TENSORFLOW, "abilities": EVERY_SERVER, "model_files": SAVED_MODEL}
LLM = {"framework": Framework.LLM, "abilities": EVERY_SERVER}


def facts(**changes):
    return Facts(**({"abilities": LOCAL_ONLY, "framework": Framework.SKLEARN} | changes))


def cluster_facts(**changes):
    store = {"store_url": "s3://models", "namespace": "default"}
    return facts(**({"abilities": EVERY_TOOL} | store | changes))
