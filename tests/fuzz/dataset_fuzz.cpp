// A file of images, for a shape that its first byte tells.

#include "calibrate/dataset.hpp"
#include "fuzz.hpp"

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static const fuzz::MemoryFile file;
    static const sim::TensorShape kShapes[] = {{2, 3, 1, sim::Element::u8},
                                               {28, 28, 1, sim::Element::u8},
                                               {32, 32, 3, sim::Element::u8},
                                               {2, 3, 1, sim::Element::int8}};
    if (size == 0) {
        return 0;
    }
    const sim::TensorShape& shape = kShapes[data[0] % std::size(kShapes)];
    file.write(fuzz::text_of(data + 1, size - 1));
    fuzz::tolerate([&] {
        const calibrate::Dataset images = calibrate::load_dataset(file.path(), shape);
        const auto count = static_cast<std::size_t>(images.images());
        if (images.pixels.size() != count * static_cast<std::size_t>(shape.elements()) ||
            (!images.labels.empty() && images.labels.size() != count)) {
            fuzz::fail("images of another shape");
        }
    });
    return 0;
}
