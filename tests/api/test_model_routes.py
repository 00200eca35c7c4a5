"""Models: what the camera worker says of them, and nothing it does not say."""

from world import World

MODEL = {
    "name": "mine",
    "version": "0123456789ab",
    "task": "boxes",
    "layout": "yolov8",
    "labels": ["person"],
    "licence": "AGPL-3.0",
    "origin": "brought by a user",
    "used_as": ["detector"],
    "card": {"accuracy": None, "tested_on": None, "ms": 20, "ms_on": "here", "use": None, "limits": None},
}


def test_models_are_shown_as_the_worker_tells_them(world: World) -> None:
    world.desk.answers["models"] = ({"ok": True, "models": [MODEL]}, b"")
    with world.client("operator") as client:
        assert client.get("/v1/models").json() == {"models": [MODEL]}


def test_a_zoo_that_cannot_be_read_and_a_worker_of_another_version_are_said(world: World) -> None:
    refused = {"ok": False, "code": "model_refused", "message": "zoo.toml is not TOML"}
    for answer, said in ((refused, "is not TOML"), ({"ok": True}, "does not say which models")):
        world.desk.answers["models"] = (answer, b"")
        with world.client("operator") as client:
            told = client.get("/v1/models")
        assert told.status_code == 503
        assert said in told.json()["detail"]
