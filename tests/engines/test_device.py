import pytest
import torch

from napari_phenotrans.core.errors import InputError
from napari_phenotrans.engines.device import arithmetic, choose_device, describe_device, one_thread


def test_devices_that_are_not_there_are_refused_by_name() -> None:
    assert choose_device("cpu").type == "cpu"
    with pytest.raises(InputError, match="no device 'gpu'"):
        choose_device("gpu")
    missing = f"cuda:{torch.cuda.device_count()}"
    with pytest.raises(InputError, match=rf"device {missing} is not there.*--device auto"):
        choose_device(missing)


def test_device_is_said_in_words() -> None:
    assert describe_device(torch.device("cpu")) == f"cpu ({torch.get_num_threads()} threads)"


def test_precision_is_what_was_decided() -> None:
    layer = torch.nn.Conv2d(1, 1, 3)
    for precision, dtype in (("fp32", torch.float32), ("bf16", torch.bfloat16)):
        with arithmetic(torch.device("cpu"), precision):
            result = layer(torch.zeros(1, 1, 8, 8))
        assert result.dtype == dtype
        assert not result.requires_grad


def test_a_block_on_one_thread_leaves_their_number_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[int] = []
    monkeypatch.setattr(torch, "get_num_threads", lambda: 3)
    monkeypatch.setattr(torch, "set_num_threads", said.append)
    with pytest.raises(ZeroDivisionError), one_thread():
        assert said == [1]
        _ = 1 / 0
    assert said == [1, 3]
