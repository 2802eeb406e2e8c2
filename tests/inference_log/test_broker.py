"""How a broker is named, and with which options it is asked."""

import pytest

from moorage.errors import LogRefused
from moorage.inference_log.broker import Broker


def test_options_of_security_come_from_the_environment_and_no_others_do():
    environ = {"KAFKA_SASL_PASSWORD": "s3cret", "KAFKA_SECURITY_PROTOCOL": "SASL_SSL", "KAFKA_HOME": "/opt/kafka"}
    broker = Broker.from_env("a:9092,b:9092", "", environ)
    assert broker.config["sasl.password"] == "s3cret"
    assert broker.config["security.protocol"] == "SASL_SSL"
    assert broker.config["bootstrap.servers"] == "a:9092,b:9092"
    assert "home" not in broker.config


def test_without_a_broker_it_is_told_how_one_is_named():
    with pytest.raises(LogRefused, match="Set MOORAGE_KAFKA to HOST:PORT, or leave inference_logger out"):
        Broker.from_env("", "", {})


def test_no_secret_is_printed():
    assert "s3cret" not in repr(Broker.from_env("a:9092", "", {"KAFKA_SASL_PASSWORD": "s3cret"}))
