"""Models, platforms and mappings: from files, from dictionaries, and back."""

import os
import pathlib

import numpy
import pytest

import hetmap


def error_of(action, *arguments, **options):
    with pytest.raises(hetmap.InputError) as caught:
        action(*arguments, **options)
    return str(caught.value)


def test_names_lead_to_what_came_with_the_package(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    model = hetmap.load_model("vgg3-fashion")
    assert model.name == "vgg3-fashion"
    assert model.layers[:2] == ["image", "conv1"]
    assert model.path.is_file()
    assert hetmap.load_platform("h100").devices == ["cpu", "cuda0"]
    assert hetmap.load_model(model.path.parent).name == "vgg3-fashion"


def test_what_lies_here_comes_first(tmp_path, monkeypatch, machine):
    (tmp_path / "platforms").mkdir()
    hetmap.Platform({**machine, "name": "h100"}).save(tmp_path / "platforms" / "h100.yaml")
    monkeypatch.chdir(tmp_path)
    assert hetmap.load_platform("h100").devices == ["cpu", "gpu"]


def test_dictionaries_become_objects_and_objects_dictionaries(tiny, machine):
    assert hetmap.Model(tiny).to_dict() == {"hetmap": "model/1", **tiny}
    assert hetmap.Model(tiny).path is None
    platform = hetmap.Platform(machine)
    assert hetmap.Platform(platform.to_dict()).to_yaml() == platform.to_yaml()
    mapping = hetmap.map(tiny, machine).mapping
    assert hetmap.Mapping(mapping.to_dict()).to_yaml() == mapping.to_yaml()


@pytest.mark.parametrize("name", ["h100", "diana", "darkside", "tx2-cyclone10gx"])
def test_published_platforms_survive_dictionaries(name):
    platform = hetmap.load_platform(name)
    assert hetmap.Platform(platform.to_dict()).to_yaml() == platform.to_yaml()


def test_every_model_survives_a_dictionary():
    models = pathlib.Path(hetmap.__file__).parent / "models"
    for name in sorted(entry.name for entry in os.scandir(models) if entry.is_dir()):
        model = hetmap.load_model(name)
        assert hetmap.Model(model.to_dict()).layers == model.layers


def test_numbers_of_numpy_are_numbers(tiny):
    tiny["layers"][0]["out_channels"] = numpy.int64(64)
    tiny["layers"][0]["kernel"] = numpy.array([3, 3])
    assert hetmap.Model(tiny).to_dict()["layers"][0]["kernel"] == [3, 3]


def test_numbers_are_set_in_place_of_the_files(machine):
    energy = {"base_power_w": 1, "devices.cpu.active_power_w": 2, "devices.cpu.idle_power_w": 0}
    platform = hetmap.Platform(machine, set=energy)
    assert "active_power_w: 2" in platform.to_yaml()
    assert "set devices.cpu.nix=3: unknown key 'nix'" in error_of(
        hetmap.load_platform, "h100", set=["devices.cpu.nix=3"]
    )


def test_mappings_are_saved_and_loaded(tmp_path, scalar_mapping):
    scalar_mapping.save(tmp_path / "mapping.yaml")
    again = hetmap.load_mapping(tmp_path / "mapping.yaml")
    assert again.to_yaml() == scalar_mapping.to_yaml()
    assert (again.model, again.platform, again.batch) == ("vgg3-fashion", "amd-epyc-2-cores", 1)
    assert "cannot" in error_of(scalar_mapping.save, tmp_path / "nowhere" / "mapping.yaml")


def test_errors_say_where_in_a_dictionary(tiny, machine):
    tiny["layers"][1]["operation"] = "treshold"
    assert error_of(hetmap.Model, tiny).startswith(
        "model tiny: layers[1].operation: unknown operation 'treshold'; there are: "
    )
    machine["devices"][1]["submit_us"] = "fast"
    assert error_of(hetmap.Platform, machine) == (
        "platform machine: devices[1].submit_us: expected a number of zero or more, "
        'got the text "fast"'
    )


def test_errors_of_a_search_say_where_in_a_dictionary(tiny, machine):
    machine["costs"].append(dict(machine["costs"][0], layer_names=["nix"]))
    machine["costs"].append(machine["costs"][0])
    message = error_of(hetmap.map, tiny, machine)
    assert "costs[6]" in message and ":1" not in message


def test_what_is_no_description_is_refused_in_words(tiny):
    loop = {}
    loop["loop"] = loop
    for value, words in [
        (None, "expected a dictionary"),
        ("vgg3-fashion", "load_model"),
        ({}, "needs the key 'name'"),
        ({1: 2}, "expected texts as keys"),
        (loop, "nested deeper"),
        ({**tiny, "name": object()}, "name: expected a dictionary, a list, a text or a number"),
        ({**tiny, "name": "\ud800"}, "not a text"),
        ({**tiny, "name": "a\x00b"}, "model"),
        ({**tiny, "parameters": {"seed": float("nan")}}, "parameters.seed: expected"),
        ({**tiny, "hetmap": "platform/1"}, "expected 'model/1'"),
    ]:
        assert words in error_of(hetmap.Model, value)


def test_paths_that_are_none_are_refused_in_words(tmp_path):
    assert "no model 'nix'" in error_of(hetmap.load_model, "nix")
    for value in (None, 3, b"vgg3-fashion", "a\0b", "\ud800", {"h100"}):
        assert "expected a path or a name" in error_of(hetmap.load_model, value)
        assert "expected a path or a name" in error_of(hetmap.load_platform, value)
    assert "nix.yaml" in error_of(hetmap.load_mapping, tmp_path / "nix.yaml")
    (tmp_path / "bad\udcff.yaml").write_text("hetmap: model/1\nname: [\n")
    assert "bad" in error_of(hetmap.load_model, tmp_path / "bad\udcff.yaml")


def test_errors_are_of_one_family():
    assert issubclass(hetmap.InputError, (hetmap.Error, ValueError))
    assert issubclass(hetmap.BusyError, RuntimeError)
    assert issubclass(hetmap.MachineError, RuntimeError)
