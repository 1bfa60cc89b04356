// deploy.c in C++, with the time of each kernel: deploy MODEL MAPPING IMAGE.
//
//     c++ -std=c++20 deploy.cpp $(pkg-config --cflags --libs hetmap) -o deploy

#include <algorithm>
#include <cstdio>
#include <exception>
#include <fstream>
#include <hetmap.hpp>
#include <span>
#include <stdexcept>
#include <string>

namespace {

// The pixels of a PGM (P5) or PPM (P6) file, which is (y, x, channel), as the model wants them.
void read_image(const std::string& path, const hetmap_tensor& image) {
    std::ifstream file{path, std::ios::binary};
    std::string kind;
    int width = 0, height = 0, most = 0;
    file >> kind >> width >> height >> most;
    file.get();
    if (!file || kind != (image.channels == 3 ? "P6" : "P5") || width != image.width ||
        height != image.height || most != 255 ||
        !file.read(static_cast<char*>(image.data), static_cast<std::streamsize>(image.bytes))) {
        throw std::runtime_error{path + ": expected a PGM or PPM file of the model's size"};
    }
}

}  // namespace

int main(int argc, char** argv) try {
    if (argc != 4) {
        std::fprintf(stderr, "usage: deploy MODEL MAPPING IMAGE\n");
        return 2;
    }
    const std::string mapping = argv[2];
    hetmap::Session session{argv[1], mapping == "-" ? "" : mapping, {.timed = true}};
    read_image(argv[3], session.input_tensor());
    hetmap::Times fastest;
    for (int i = 0; i < 50; ++i) {
        session.run();
        if (hetmap::Times times = session.times(); i == 0 || times.total_us < fastest.total_us) {
            fastest = std::move(times);
        }
    }
    const std::span<const std::int32_t> scores = session.output<std::int32_t>();
    std::printf("class %d, %.1f us\n",
                static_cast<int>(std::ranges::max_element(scores) - scores.begin()),
                fastest.total_us);
    for (const hetmap::TaskTime& task : fastest.tasks) {
        std::printf("%8.1f us  %s on %s, %s/%s\n",
                    task.us,
                    task.layers.c_str(),
                    task.device.c_str(),
                    task.variant.c_str(),
                    task.configuration.c_str());
    }
    return 0;
} catch (const std::exception& error) {
    std::fprintf(stderr, "deploy: %s\n", error.what());
    return 1;
}
