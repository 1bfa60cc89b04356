"""The peer of search-quality: CP-SAT (Google's ortools) on the same problem, its order free.

    cp_sat.py BENCHMARK NAME SECONDS WALL_SECONDS    one line of peers.csv

Layers choose a device; tasks and copies are intervals that do not overlap on theirs; what a layer
reads has to be there. On equal processors that share a memory they are one resource of so many at a
time. Submissions are intervals of the dispatcher, one for each task: hetmap submits neighbours
together, so where there are any the answer is taken as a mapping and simulated, in the order of its
submissions. One worker; SECONDS of processor time, unless WALL_SECONDS are over before.
"""

import json
import math
import subprocess
import sys
import threading
import time

from ortools.sat.python import cp_model


def read(program, name):
    return json.loads(subprocess.check_output([program, "problem", name]))


def build(problem):
    """The model and its variables, in the common unit of all times."""
    layers, memories = problem["layers"], problem["memories"]
    devices = problem["devices"]
    copy = problem["copy"]
    times = [c for _, _, c in problem["tasks"]] + [c for c in copy if c > 0]
    times += [d[key] for d in devices for key in ("submit", "completion")]
    unit = math.gcd(*times) or 1
    cost = {(layer, device): c // unit for layer, device, c in problem["tasks"]}
    horizon = sum(max(c for (l, _), c in cost.items() if l == layer) for layer in range(layers))
    horizon += sum(max(copy[l * memories**2 : (l + 1) * memories**2]) for l in range(layers)) // unit
    horizon += layers * max(d["submit"] + d["completion"] for d in devices) // unit

    model = cp_model.CpModel()
    on = {key: model.NewBoolVar("") for key in cost}
    start = [model.NewIntVar(0, horizon, "") for _ in range(layers)]
    end = [model.NewIntVar(0, horizon, "") for _ in range(layers)]
    submitted = [None] * layers
    busy = [[] for _ in devices]
    for layer in range(layers):
        choices = [d for d in range(len(devices)) if (layer, d) in cost]
        model.AddExactlyOne(on[layer, d] for d in choices)
        model.Add(end[layer] == start[layer] + sum(on[layer, d] * cost[layer, d] for d in choices))
        for d in choices:
            interval = model.NewOptionalIntervalVar(
                start[layer], cost[layer, d], end[layer], on[layer, d], ""
            )
            busy[d].append((interval, cost[layer, d]))
            if devices[d]["submit"]:
                length = devices[d]["submit"] // unit
                if submitted[layer] is None:
                    submitted[layer] = model.NewIntVar(0, horizon, "")
                ready = model.NewIntVar(0, horizon, "")
                model.Add(start[layer] >= ready).OnlyEnforceIf(on[layer, d])
                dispatch = model.NewOptionalIntervalVar(
                    submitted[layer], length, ready, on[layer, d], ""
                )
                busy[0].append((dispatch, length))

    alike = (
        memories == 1
        and not any(d["submit"] or d["completion"] for d in devices)
        and all(len({c for (l, _), c in cost.items() if l == layer}) == 1 for layer in range(layers))
    )
    if alike:
        processors = max(sum((l, d) in cost for d in range(len(devices))) for l in range(layers))
        whole = [
            model.NewIntervalVar(start[l], min(c for (k, _), c in cost.items() if k == l), end[l], "")
            for l in range(layers)
        ]
        model.AddCumulative(whole, [1] * layers, processors)
    else:
        for intervals in busy:
            model.AddNoOverlap(i for i, length in intervals if length > 0)

    # Tensors: there when they are made, elsewhere when they are copied; the host sees what devices
    # have made later.
    copies = {}
    for layer in range(layers):
        readers = [r for r in range(layers) if layer in problem["inputs"][r]]
        for r in readers:
            model.Add(start[r] >= end[layer])
        if memories == 1:
            continue
        for to in range(memories):
            reading = [
                (r, d) for r in readers for d, dev in enumerate(devices)
                if (r, d) in cost and dev["memory"] == to
            ]
            there = model.NewIntVar(0, horizon, "")
            model.Add(there >= end[layer])
            for d, dev in enumerate(devices):
                if (layer, d) not in cost or dev["memory"] == to:
                    continue
                if not reading:
                    continue
                origin = dev["memory"]
                length = copy[(layer * memories + origin) * memories + to] // unit
                copied = model.NewBoolVar("")
                for reader in reading:
                    model.AddBoolOr([on[layer, d].Not(), on[reader].Not(), copied])
                begin = model.NewIntVar(0, horizon, "")
                model.Add(begin >= end[layer]).OnlyEnforceIf(copied)
                interval = model.NewOptionalIntervalVar(begin, length, there, copied, "")
                copies.setdefault(problem["engine"][origin * memories + to], []).append(interval)
            for r, d in reading:
                model.Add(start[r] >= there).OnlyEnforceIf(on[r, d])
                if devices[d]["asynchronous"]:
                    continue
                for made, dev in enumerate(devices):
                    if dev["completion"] and (layer, made) in cost:
                        later = dev["completion"] // unit
                        model.Add(start[r] >= there + later).OnlyEnforceIf([on[r, d], on[layer, made]])
    for intervals in copies.values():
        model.AddNoOverlap(intervals)
    model.Minimize(end[layers - 1])
    return model, unit, on, start, end, submitted


def simulate(program, name, problem, solver, variables):
    """The mapping in the order in which CP-SAT submits, a host's task when it ends."""
    on, start, end, submitted = variables
    place = []
    for (layer, device), chosen in on.items():
        if solver.Value(chosen):
            asynchronous = problem["devices"][device]["asynchronous"]
            when = end[layer] if not asynchronous else submitted[layer]
            when = solver.Value(start[layer] if when is None else when)
            place.append((when, asynchronous, solver.Value(start[layer]), layer, device))
    # Topological, should times be equal.
    order, waiting = [], sorted(place)
    while waiting:
        done = {layer for layer, _ in order}
        first = next(p for p in waiting if set(problem["inputs"][p[3]]) <= done)
        waiting.remove(first)
        order.append((first[3], first[4]))
    text = "".join(f"{layer} {device}\n" for layer, device in order)
    return int(subprocess.run([program, "makespan", name], input=text, text=True,
                              capture_output=True, check=True).stdout)


def main(program, name, seconds, wall_seconds):
    problem = read(program, name)
    model, unit, *variables = build(problem)
    solver = cp_model.CpSolver()
    solver.parameters.num_workers = 1
    solver.parameters.max_time_in_seconds = wall_seconds
    begin, done = time.process_time(), threading.Event()

    def watch():
        while not done.wait(0.1):
            if time.process_time() - begin > seconds:
                solver.StopSearch()

    threading.Thread(target=watch, daemon=True).start()
    status = solver.Solve(model)
    done.set()
    taken = time.process_time() - begin
    found = status in (cp_model.OPTIMAL, cp_model.FEASIBLE)
    value = round(solver.ObjectiveValue()) * unit if found else -1
    has_overheads = any(d["submit"] for d in problem["devices"])
    if found and has_overheads:
        value = simulate(program, name, problem, solver, variables)
    bound = 0 if has_overheads else math.ceil(solver.BestObjectiveBound() - 1e-6) * unit
    proven = status == cp_model.OPTIMAL and not has_overheads
    print(f"{name},cp-sat,{value},{bound},{'in any order' if proven else 'no'},{taken:.2f},"
          f"{solver.NumBranches()}")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], float(sys.argv[3]), float(sys.argv[4]))
