import subprocess
import sys

FRAMEWORKS = ("cv2", "onnxruntime", "av", "fastapi", "pydantic", "redis", "sqlalchemy")


def loaded_with(module: str) -> list[str]:
    code = f"import sys, {module}; print(*[name for name in {FRAMEWORKS!r} if name in sys.modules])"
    return subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.split()


def test_deciding_loads_no_vision_and_no_framework() -> None:
    """Rules are pure: whoever replays states or explains an alert needs no OpenCV and no model runtime."""
    assert loaded_with("detectors.detector") == []


def test_masking_and_the_zoo_do_without_the_model_runtime() -> None:
    assert loaded_with("detectors.masking") == ["cv2"]
    assert loaded_with("detectors.zoo.manifest") == []


def test_perception_is_where_the_model_runtime_lives() -> None:
    assert "onnxruntime" in loaded_with("detectors.perception")
