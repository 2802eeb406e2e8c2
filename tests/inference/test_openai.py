"""OpenAI's bodies: what is asked, and where; what an answer says."""

import pytest

from moorage.errors import CallerError
from moorage.inference.dialect import OPENAI, V1, dialect_of
from moorage.inference.openai import path_of, request_body, said_in
from moorage.predictor import ModelServer

CHAT = [{"role": "user", "content": "Hello"}]
BRIEF = {"max_tokens": 16, "temperature": 0}


def test_a_text_is_completed_and_messages_are_answered_briefly_and_always_alike():
    assert request_body(name="roses", inputs="Ships") == {"model": "roses", "prompt": "Ships", **BRIEF}
    assert request_body(name="roses", inputs=CHAT) == {"model": "roses", "messages": CHAT, **BRIEF}


def test_a_whole_body_is_sent_as_it_is_with_the_deployments_name_where_it_names_none():
    assert request_body(name="roses", data={"prompt": "x", "n": 2}) == {"model": "roses", "prompt": "x", "n": 2}
    assert request_body(name="roses", data={"input": "x", "model": "lora"})["model"] == "lora"


PATHS = {
    "/v1/chat/completions": {"messages": CHAT},
    "/v1/completions": {"prompt": "x"},
    "/v1/embeddings": {"input": ["x"]},
}


@pytest.mark.parametrize(("path", "body"), PATHS.items())
def test_what_a_body_is_about_says_where_it_is_posted(path, body):
    assert path_of(body) == path


REFUSED = {
    "neither": ({}, "Neither inputs nor data"),
    "both": ({"inputs": "x", "data": {"prompt": "x"}}, "Both inputs and data"),
    "rows": ({"inputs": [[1]]}, "of type list"),
    "nothing": ({"inputs": ""}, "of type str"),
    "no messages": ({"inputs": []}, "of type list"),
    "a message without a role": ({"inputs": [{"content": "x"}]}, "messages with 'role' and 'content'"),
    "rows in a body": ({"data": {"instances": [[1]]}}, "none of 'messages', 'prompt' and 'input', but 'model', 'inst"),
    "an empty prompt": ({"data": {"prompt": ""}}, "not empty"),
    "a stream": ({"data": {"prompt": "x", "stream": True}}, "asks for a stream"),
}


@pytest.mark.parametrize(("given", "told"), REFUSED.values(), ids=REFUSED.keys())
def test_what_makes_no_request_is_told(given, told):
    with pytest.raises(CallerError, match=told):
        request_body(name="roses", **given)


SAID = {
    "a text": ({"choices": [{"text": "Aye"}]}, "Aye"),
    "a message": ({"choices": [{"message": {"role": "assistant", "content": "Aye"}}]}, "Aye"),
    "several": ({"choices": [{"text": "Aye"}, {"text": "No"}]}, ["Aye", "No"]),
    "vectors": ({"data": [{"embedding": [0.5]}]}, [[0.5]]),
}


@pytest.mark.parametrize(("answer", "said"), SAID.values(), ids=SAID.keys())
def test_what_an_answer_says(answer, said):
    assert said_in(answer) == said


@pytest.mark.parametrize("answer", [{}, {"predictions": [1]}, {"choices": []}, [], None])
def test_what_is_none_of_its_answers_is_told(answer):
    with pytest.raises(CallerError, match="neither 'choices' nor 'data'"):
        said_in(answer)


def test_vllm_speaks_openais_api_and_the_others_v1():
    spoken = {server: dialect_of(server) for server in ModelServer}
    assert spoken == {ModelServer.PYTHON: V1, ModelServer.TENSORFLOW_SERVING: V1, ModelServer.VLLM: OPENAI}
