"""Searches, fronts and simulations, what they say, and how they are stopped."""

import json
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time

import numpy
import pytest

import hetmap

# Of one that takes minutes.
LONG = ("resnet18-224", "diana")


def error_of(action, *arguments, **options):
    with pytest.raises(hetmap.InputError) as caught:
        action(*arguments, **options)
    return str(caught.value)


def test_the_best_mapping_of_a_small_machine(tiny, machine):
    # On the gpu 3 us there, 1 us and 3 us back; the other three layers 10 us each.
    answer = hetmap.map(tiny, machine)
    assert answer.proven
    assert answer.lower_bound_us == answer.makespan_us
    assert 37 <= answer.makespan_us < 40
    assert [layer["device"] for layer in answer.to_dict()["layers"]] == ["gpu", "cpu", "cpu", "cpu"]
    assert hetmap.map(tiny, machine, only="cpu").makespan_us == 40
    assert "proven optimal" in answer.text()
    assert repr(answer).startswith("<hetmap.Answer 3") and "tiny on machine" in repr(answer)


def test_answers_are_the_programs_own():
    answer = hetmap.map("darkside-cifar10", "darkside", objective="energy")
    values = answer.to_dict()
    assert values["objective"] == "energy" and values["energy_mj"] > 0
    values["makespan_us"] = 0
    assert answer.to_dict()["makespan_us"] == answer.makespan_us > 0


def test_reports(tiny, machine):
    answer = hetmap.map(tiny, machine)
    assert answer._repr_svg_().startswith("<svg") and answer.svg().endswith(answer._repr_svg_())
    assert json.loads(answer.trace())
    assert "digraph" in answer.report("dot")
    assert "there are: gantt" in error_of(answer.report, "nix")
    assert "expected a name" in error_of(answer.report, None)


def test_a_mapping_simulates_to_its_answer(tiny, machine):
    answer = hetmap.map(tiny, machine)
    for mapping in (answer.mapping, answer.mapping.to_dict()):
        assert hetmap.simulate(tiny, machine, mapping).makespan_us == answer.makespan_us
    other = dict(tiny, name="other")
    assert "other" in error_of(hetmap.simulate, other, machine, answer.mapping)
    stream = hetmap.simulate(tiny, machine, answer.mapping, frames_in_flight=2)
    assert stream.to_dict()["throughput"] is not None


def test_answers_outlive_what_they_are_of(tiny, machine):
    front = hetmap.front(tiny, machine, ["latency"])
    point = front[0]
    del front
    assert point.mapping.model == "tiny" and "fc" in point.text()


def test_a_front_is_a_sequence_of_answers():
    front = hetmap.front("resnet20-cifar10", "diana", ["latency", "accuracy"], time_limit=2)
    assert len(front) > 1 and front[-1].makespan_us > front[0].makespan_us
    assert len(front[:2]) == 2 and list(front)[0] is front[0]
    assert len(front.to_dict()["points"]) == len(front)
    assert front.csv().startswith("point,") and front._repr_svg_().startswith("<svg")
    with pytest.raises(IndexError):
        front[len(front)]
    assert "objectives: expected at least one" in error_of(hetmap.front, *LONG, [])


def test_twins_are_asked_where_accuracy_matters(tmp_path):
    def write(folder, name, kernel, percent, twins=""):
        (tmp_path / folder).mkdir(exist_ok=True)
        (tmp_path / folder / "model.yaml").write_text(textwrap.dedent(f"""\
            hetmap: model/1
            name: {name}
            input: {{name: x, height: 4, width: 4, channels: 8, type: f32}}
            parameters: {{seed: 1}}
            accuracy: {{metric: top-1, measured: [{{name: trained, percent: {percent}}}]}}
            {twins}
            layers:
              - {{name: a, operation: conv2d, inputs: [x], weights: f32, out_channels: 8, kernel: {kernel}, padding: {kernel // 2}}}
            output: a
            """))

    write("net", "net", 1, 90, "twins: [better]")
    write("net/better", "net-better", 3, 95)
    machine = {
        "hetmap": "platform/1", "name": "made-up", "memories": [{"name": "host"}],
        "devices": [{"name": "cpu", "kind": "cpu", "memory": "host", "asynchronous": False}],
        "formulas": [{"device": "cpu", "operations": ["conv2d"], "variant": "v", "configuration": "c",
                      "time_us": "macs / 1024"}],
    }
    model = hetmap.load_model(str(tmp_path / "net"))
    assert hetmap.map(model, machine).mapping.model == "net"
    better = hetmap.map(model, machine, min_accuracy=92)
    assert better.mapping.model == "net-better" and better.makespan_us == 9
    assert hetmap.simulate(model, machine, better.mapping).makespan_us == 9
    front = hetmap.front(model, machine, ["latency", "accuracy"])
    assert [point.mapping.model for point in front] == ["net", "net-better"]


def test_constraints_as_dictionaries_and_lists(tiny, machine):
    def devices(**options):
        layers = hetmap.map(tiny, machine, **options).to_dict()["layers"]
        return [layer["device"] for layer in layers]

    assert devices(pin={"conv": "cpu"}) == ["cpu"] * 4
    assert devices(pin="conv=cpu") == ["cpu"] * 4
    assert devices(together=[["conv", "fc"]]) == ["cpu"] * 4
    assert devices(together="conv,fc") == ["cpu"] * 4
    assert devices(max={"segments": 0}) == ["cpu"] * 4
    assert "latency" in error_of(hetmap.map, tiny, machine, max={"latency": "1us"})
    partial = hetmap.map(tiny, machine, only="cpu").mapping.to_dict()
    partial["entries"] = partial["entries"][:1]
    assert devices(fix=partial) == ["cpu"] * 4


def test_several_networks_run_beside_each_other(tiny):
    answer = hetmap.map(["resnet18-64", hetmap.load_model("resnet18-64")], "diana")
    assert len(answer.to_dict()["networks"]) == 2


def test_wishes_are_refused_by_their_names(tiny, machine):
    def refused(**options):
        return error_of(hetmap.map, tiny, machine, **options)

    assert refused(search="heft", prefer="cpu").startswith("prefer: heft cannot look for")
    assert refused(search="greedy", min_accuracy=90).startswith("min_accuracy: greedy cannot")
    assert refused(search="greedy", max="latency=1ms").startswith("max: greedy cannot keep")
    assert error_of(hetmap.front, tiny, machine, search="heft").startswith("pareto: heft cannot")
    assert "there are: " in refused(search="nix") or "one of" in refused(search="nix")
    assert "--" not in refused(objective="energy")


@pytest.mark.parametrize(
    "options",
    [
        {"batch": -1},
        {"batch": 0},
        {"batch": 2.5},
        {"batch": "1"},
        {"batch": None},
        {"batch": 10**30},
        {"batch": numpy.zeros(3)},
        {"robust": numpy.zeros(3)},
        {"threads": 0},
        {"frames_in_flight": 65},
        {"objective": None},
        {"objective": "nix"},
        {"objective": "\ud800"},
        {"search": 3},
        {"only": 3},
        {"only": [None]},
        {"only": "nix"},
        {"max": {"latency": None}},
        {"max": [3]},
        {"pin": {"nix": "cpu"}},
        {"together": 3},
        {"together": [3]},
        {"prefer": "nix"},
        {"min_accuracy": "much"},
        {"min_accuracy": 101},
        {"order": "any"},
        {"time_limit": -1},
        {"time_limit": float("nan")},
        {"memory": -1},
        {"robust": "yes"},
        {"progress": 3},
        {"fix": 3},
        {"transfer_modes": "nix"},
        {"transfer_modes": 3},
    ],
)
def test_wrong_options_are_input_errors(tiny, machine, options):
    (name,) = options
    message = error_of(hetmap.map, tiny, machine, **options)
    assert "\n" not in message and "--" not in message
    assert name in message or "nix" in message or "expected a path" in message


@pytest.mark.parametrize("value", [None, 3, [], [None], object()])
def test_wrong_models_platforms_and_mappings_are_input_errors(tiny, machine, value):
    error_of(hetmap.map, value, machine)
    error_of(hetmap.map, tiny, value)
    error_of(hetmap.simulate, tiny, machine, value)


def test_answers_are_not_made_by_hand():
    for kind in (hetmap.Answer, hetmap.Front):
        with pytest.raises(TypeError):
            kind()


def test_progress_is_told_in_the_callers_thread():
    told = []
    hetmap.map(
        *LONG,
        objective="energy",
        time_limit=1,
        progress=lambda *news: told.append((threading.current_thread(), *news)),
    )
    told_by_latency = []
    hetmap.map("vgg3-fashion", "h100", progress=lambda *news: told_by_latency.append(news))
    for incumbent_us, lower_bound_us, seconds in told_by_latency:
        assert incumbent_us >= lower_bound_us > 0 and seconds >= 0
    assert told_by_latency
    assert {news[0] for news in told} <= {threading.current_thread()}


def test_what_progress_raises_ends_the_search():
    class Enough(Exception):
        pass

    def stop(*_):
        raise Enough

    began = time.monotonic()
    with pytest.raises(Enough):
        hetmap.map("mobilenetv2", "tx2-cyclone10gx", progress=stop)
    assert time.monotonic() - began < 10


def test_other_threads_run_during_a_search():
    counted = 0
    done = threading.Event()

    def count():
        nonlocal counted
        while not done.wait(0.01):
            counted += 1

    thread = threading.Thread(target=count)
    thread.start()
    hetmap.map(*LONG, objective="energy", time_limit=1)
    done.set()
    thread.join()
    assert counted > 20


@pytest.mark.parametrize(
    "work",
    [
        "hetmap.map('resnet18-224', 'diana', objective='energy')",
        "hetmap.load_platform('h100')",
        "session.run()",
    ],
)
def test_the_interpreter_may_end_during_work_in_a_daemon_thread(work):
    program = f"""
        import threading, time, hetmap

        session = hetmap.Session("vgg3-fashion", batch=64)

        def work():
            while True:
                {work}

        threading.Thread(target=work, daemon=True).start()
        time.sleep(0.3)
    """
    for _ in range(3):
        ended = subprocess.run([sys.executable, "-c", textwrap.dedent(program)], timeout=30)
        assert ended.returncode == 0


@pytest.mark.parametrize("call", ["hetmap.map(*LONG, objective='energy')", "hetmap.front(*LONG)"])
def test_ctrl_c_is_a_keyboard_interrupt_at_once(call):
    program = f"""
        import time, hetmap
        LONG = {LONG!r}
        LONG = (hetmap.load_model(LONG[0]), hetmap.load_platform(LONG[1]))
        print("begun", flush=True)
        try:
            {call}
        except KeyboardInterrupt:
            print(time.monotonic(), hetmap.map("vgg3-fashion", "amd-epyc-2-cores").makespan_us)
    """
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(program)], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout.readline() == "begun\n"
        time.sleep(1)
        asked = time.monotonic()
        os.kill(process.pid, signal.SIGINT)
        ended, makespan_us = process.stdout.readline().split()
    assert process.returncode == 0
    assert float(makespan_us) > 0
    assert float(ended) - asked < 1
