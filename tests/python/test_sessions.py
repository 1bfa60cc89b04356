"""Sessions on numpy arrays: what they compute, whose the buffers are, and what they refuse."""

import gc
import subprocess
import sys
import threading

import numpy
import pytest

import hetmap
from conftest import SOURCE


def error_of(action, *arguments, **options):
    with pytest.raises(hetmap.InputError) as caught:
        action(*arguments, **options)
    return str(caught.value)


@pytest.mark.parametrize("model", ["vgg3-fashion", hetmap.load_model("vgg3-fashion")])
def test_a_boot_is_a_boot(model, boot, scalar_mapping):
    for mapping in (None, scalar_mapping, scalar_mapping.to_dict()):
        with hetmap.Session(model, mapping) as session:
            scores = session.run(boot)
            assert scores.shape == (1, 1, 1, 10) and scores.dtype == numpy.int32
            assert scores.argmax() == 9
            assert (session.run(image=boot) == scores).all()


def test_a_mapping_from_a_file(tmp_path, boot, scalar_mapping):
    scalar_mapping.save(tmp_path / "mapping.yaml")
    with hetmap.Session("vgg3-fashion", tmp_path / "mapping.yaml") as session:
        assert session.run(boot).argmax() == 9


def test_buffers_are_the_sessions_own(boot):
    with hetmap.Session("vgg3-fashion") as session:
        image, scores = session.inputs["image"], session.outputs["fc2"]
        image[:] = boot
        copied = session.run()
        assert (scores == copied).all() and scores.argmax() == 9
        image[:] = 0
        session.run()
        assert (scores != copied).any()
        assert image.flags.writeable and not scores.flags.writeable
        assert image.__array_interface__["data"][0] % 64 == 0
        assert session.inputs["image"].ctypes.data == image.ctypes.data
        with pytest.raises(TypeError):
            session.inputs["image"] = boot
        assert (session.run(session.inputs["image"]) == session.run(numpy.zeros_like(boot))).all()


def test_f32_comes_and_goes_as_float32():
    layers = [{"name": "r", "operation": "relu", "inputs": ["x"]}, {"name": "y", "operation": "softmax", "inputs": ["r"]}]
    image = {"name": "x", "height": 1, "width": 1, "channels": 4, "type": "f32"}
    model = hetmap.Model({"name": "soft", "input": image, "parameters": {"seed": 1}, "layers": layers, "output": "y"})
    with hetmap.Session(model) as session:
        given = numpy.array([[[[-1, 0, 1, 2]]]], numpy.float32)
        shares = session.run(given)
        assert shares.dtype == numpy.float32
        expected = numpy.exp(numpy.maximum(given, 0))
        assert numpy.allclose(shares, expected / expected.sum())
        assert "float32" in error_of(session.run, given.astype(numpy.float64))


def test_a_model_of_a_dictionary_runs(tiny):
    with hetmap.Session(tiny, batch=3) as session:
        images = numpy.random.default_rng(1).integers(0, 256, (3, 4, 4, 3), numpy.uint8)
        scores = session.run(images)
        assert scores.shape == (3, 1, 1, 10)
        assert (session.run(images[::-1]) == scores[::-1]).all()  # not contiguous
        wide = numpy.zeros((3, 4, 8, 3), numpy.uint8)
        wide[:, :, ::2] = images
        assert (session.run(wide[:, :, ::2]) == scores).all()
        assert (session.run(numpy.asfortranarray(images)) == scores).all()
        assert (session.run(images.tolist() and images) == scores).all()


def test_binary_tensors_are_words(tiny):
    tiny["layers"], tiny["output"] = tiny["layers"][:2], "threshold"
    with hetmap.Session(tiny) as session:
        bits = session.run(numpy.zeros((1, 4, 4, 3), numpy.uint8))
        assert bits.shape == (1, 4, 4, 1) and bits.dtype == numpy.uint64


def test_several_outputs_are_a_dictionary(tiny):
    tiny["outputs"] = ["conv", tiny.pop("output")]
    with hetmap.Session(tiny) as session:
        results = session.run(numpy.zeros((1, 4, 4, 3), numpy.uint8))
        assert {name: result.shape for name, result in results.items()} == {
            "conv": (1, 4, 4, 64),
            "fc": (1, 1, 1, 10),
        }


def test_wrong_arrays_are_refused_before_any_is_copied(boot):
    with hetmap.Session("vgg3-fashion") as session:
        before = session.run(boot)
        expected = "input 'image': expected an array of uint8 (1, 28, 28, 1), got "
        assert error_of(session.run, boot[0]) == expected + "uint8 (28, 28, 1)"
        assert error_of(session.run, boot.astype(float)) == expected + "float64 (1, 28, 28, 1)"
        for wrong in (None, 3, "boot", [], [[1], [2, 3]], boot.astype(">i2"), boot[:0]):
            with pytest.raises(ValueError):
                session.run(wrong)
        assert "more than there are inputs" in error_of(session.run, boot, boot)
        assert "given twice" in error_of(session.run, boot, image=boot)
        assert "there are: image" in error_of(session.run, picture=boot)
        assert (session.run() == before).all()


def test_times(boot):
    with hetmap.Session("vgg3-fashion", timed=True) as session:
        assert "no run yet" in error_of(session.times)
        session.run(boot)
        times = session.times()
        assert 0 < sum(task["us"] for task in times["tasks"]) <= times["total_us"] * 1.001
        assert times["tasks"][0]["device"] == "cpu"
    with hetmap.Session("vgg3-fashion") as session:
        assert "timed=True" in error_of(session.times)


def test_a_closed_session_says_so_and_its_arrays_stay(boot):
    session = hetmap.Session("vgg3-fashion")
    image, scores = session.inputs["image"], session.outputs["fc2"]
    expected = session.run(boot)
    session.close()
    session.close()
    assert session.closed
    for action in (session.run, lambda: session.inputs, lambda: session.outputs):
        assert error_of(action) == "the session is closed"
    del session
    gc.collect()
    image[:] = 7
    assert (scores == expected).all()


def test_arrays_keep_the_buffers_of_a_session_that_is_gone():
    images = [hetmap.Session("vgg3-fashion").inputs["image"] for _ in range(20)]
    gc.collect()
    for i, image in enumerate(images):
        image[:] = i
    assert [int(image.max()) for image in images] == list(range(20))


def test_a_second_thread_is_told_that_the_session_is_busy():
    with hetmap.Session("vgg7-cifar10", batch=64) as session:
        ended = []

        def run():
            try:
                for _ in range(3):
                    session.run()
                ended.append("done")
            except hetmap.BusyError as error:
                ended.append(str(error))

        threads = [threading.Thread(target=run) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert "done" in ended
        assert set(ended) <= {"done", "the session is running, in another thread"}
        assert len(set(ended)) == 2


def test_closing_while_another_thread_runs():
    session = hetmap.Session("vgg7-cifar10", batch=64)
    results = []
    thread = threading.Thread(target=lambda: results.append(session.run()))
    thread.start()
    while not results and thread.is_alive():
        session.close()
    thread.join()
    assert all(result.shape == (64, 1, 1, 10) for result in results)


def test_a_session_may_be_opened_in_a_thread_that_has_ended(boot):
    opened = []
    thread = threading.Thread(target=lambda: opened.append(hetmap.Session("vgg3-fashion")))
    thread.start()
    thread.join()
    assert opened.pop().run(boot).argmax() == 9


def test_what_cannot_be_opened_is_refused_in_words(tiny, scalar_mapping, tmp_path):
    assert "batch" in error_of(hetmap.Session, "vgg3-fashion", batch=0)
    assert "batch" in error_of(hetmap.Session, "vgg3-fashion", batch=-(10**30))
    assert "the mapping is of batch 1" in error_of(
        hetmap.Session, "vgg3-fashion", scalar_mapping, batch=2
    )
    assert "timed" in error_of(hetmap.Session, "vgg3-fashion", timed=None)
    error_of(hetmap.Session, None)
    error_of(hetmap.Session, "vgg3-fashion", 3)
    error_of(hetmap.Session, "vgg7-cifar10", scalar_mapping)
    without_kernel = {
        **tiny,
        "input": {**tiny["input"], "type": "f32"},
        "layers": [{"name": "size", "operation": "abs", "inputs": ["image"]}],
        "output": "size",
    }
    assert "size" in error_of(hetmap.Session, without_kernel)
    assert "one network" in error_of(hetmap.Session, [tiny, tiny])
    weights = {**tiny, "parameters": {"file": "weights.bin"}}
    assert "parameters.file" in error_of(hetmap.Session, weights)


def test_the_example_classifies_an_image(tmp_path, scalar_mapping):
    scalar_mapping.save(tmp_path / "mapping.yaml")
    program = SOURCE / "examples/deploy/deploy.py"

    def printed(mapping, image):
        return subprocess.run(
            [sys.executable, program, "vgg3-fashion", mapping, image],
            capture_output=True,
            text=True,
        )

    for mapping in (tmp_path / "mapping.yaml", "-"):
        said = printed(mapping, SOURCE / "examples/deploy/boot.pgm")
        assert said.returncode == 0 and said.stdout.startswith("class 9, ")
    assert "as PGM or PPM" in printed("-", program).stderr
    assert "nix.yaml" in printed(tmp_path / "nix.yaml", program).stderr
