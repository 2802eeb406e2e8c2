"""Which cluster is meant: KUBECONFIG's, the user's, or that of the pod."""

import pytest

from moorage.errors import BackendRefused
from moorage.serving.cluster.client import ClusterClient
from moorage.serving.cluster.own_pod import kubeconfig

POD = {"KUBERNETES_SERVICE_HOST": "10.0.0.1", "KUBERNETES_SERVICE_PORT": "443"}


@pytest.fixture
def home(tmp_path):
    """A home whose user has a cluster."""
    (tmp_path / ".kube").mkdir()
    (tmp_path / ".kube" / "config").write_text("{}")
    return str(tmp_path)


def test_a_named_file_wins_then_the_users_own_then_the_pods_account(home, tmp_path):
    theirs, nobody = f"{home}/.kube/config", str(tmp_path / "nobody")
    assert kubeconfig({"KUBECONFIG": "/other", "HOME": home, **POD}) == "/other"
    assert kubeconfig({"HOME": home, **POD}) == theirs
    assert kubeconfig({"HOME": nobody, **POD}) is None
    assert kubeconfig({"HOME": nobody}) == f"{nobody}/.kube/config"


REFUSED = {
    "no file": ({}, "", "Invalid kube-config file"),
    "a pod without an account": (POD, "", "Service token file does not exist"),
    "a pod and a context": (POD, "team", "a pod's own account has no context 'team'"),
}


@pytest.mark.parametrize(("variables", "context", "said"), REFUSED.values(), ids=REFUSED.keys())
def test_where_none_is_named_it_says_what_names_one(monkeypatch, tmp_path, variables, context, said):
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("KUBECONFIG", *POD):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(BackendRefused, match=said) as refused:
        ClusterClient.connect("team", context)
    assert ".." not in str(refused.value)
    assert "Set KUBECONFIG" in str(refused.value)
