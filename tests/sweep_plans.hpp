#pragma once

// A network, a machine with two devices, and plans about them, small enough that a cell takes
// milliseconds.

#include "sweep/library.hpp"
#include "tests/temporary_folder.hpp"

#include <string>

struct SweepFolder {
    TemporaryFolder folder;

    SweepFolder() {
        for (const std::string name : {"small", "smaller"}) {
            folder.write("models/" + name + "/model.yaml",
                         "hetmap: model/1\nname: " + name +
                             "\ninput: {name: x, height: 4, width: 4, channels: 8, type: f32}\n"
                             "parameters: {seed: 1}\nlayers:\n" +
                             layer("a", "x") + layer("b", "a") +
                             (name == "small" ? layer("c", "b") + "output: c\n" : "output: b\n"));
        }
        for (const std::string name : {"board", "server"}) {
            folder.write("platforms/" + name + ".yaml", platform(name));
        }
        // It has a cost for nothing.
        folder.write("platforms/bare.yaml",
                     "hetmap: platform/1\nname: bare\nmemories: [{name: host}]\n"
                     "devices: [{name: cpu, kind: cpu, memory: host, asynchronous: false}]\n");
    }

    sweep::Library library() const {
        return sweep::Library{
            {.models = {folder.file("models")}, .platforms = {folder.file("platforms")}}};
    }
    // What a plan says after its first line.
    std::string plan(const std::string& rest, const std::string& name = "plan.yaml") const {
        return folder.write(name, "hetmap: sweep/1\n" + rest);
    }

    static std::string layer(const std::string& name, const std::string& input) {
        return "  - {name: " + name + ", operation: conv2d, inputs: [" + input +
               "], weights: f32, out_channels: 8, kernel: 3, padding: 1}\n";
    }
    // A layer takes the CPU 40 us and the GPU 10, a copy 3 and 1 ns a byte.
    static std::string platform(const std::string& name) {
        const auto link = [](const std::string& way) {
            return "  - {name: " + way +
                   ", energy_pj_per_byte: 10, modes: [{name: dma, latency_us: 3, "
                   "bandwidth_gb_per_s: 1}]}\n";
        };
        const auto cost = [](const std::string& device, const std::string& us) {
            return "  - {layers: \"conv2d f32 4x4x8 wf32 8 k3x3 s1 p1 v0\", batch: 1, device: " +
                   device + ", variant: v, configuration: c, time_us: " + us + "}\n";
        };
        return "hetmap: platform/1\nname: " + name +
               "\nmemories: [{name: host}, {name: vram}]\ndevices:\n"
               "  - {name: cpu, kind: cpu, memory: host, asynchronous: false, "
               "active_power_w: 10, idle_power_w: 2}\n"
               "  - {name: gpu, kind: gpu, memory: vram, asynchronous: true, submit_us: 1, "
               "per_task_us: 0, completion_us: 0, active_power_w: 100, idle_power_w: 5}\n"
               "base_power_w: 1\nlinks:\n" +
               link("up, from: host, to: vram") + link("down, from: vram, to: host") + "costs:\n" +
               cost("cpu", "40") + cost("gpu", "10");
    }
};
