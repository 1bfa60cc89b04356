#include "calibrate/existence.hpp"
#include "calibrate_small_model.hpp"

#include <doctest/doctest.h>

#include <algorithm>

namespace {

// Offers one configuration, for batches of 3 to 12 images, to linear layers alone.
class Choosy final : public calibrate::Device {
public:
    const calibrate::DeviceInfo& info() const override { return info_; }
    std::vector<calibrate::Implementation> implementations(
        const kernels::Chain& chain) const override {
        const bool takes = chain.steps.size() == 1 &&
                           chain.steps.front().kind == kernels::StepKind::linear &&
                           chain.batch >= 3 && chain.batch <= 12;
        return takes ? std::vector<calibrate::Implementation>{{"gemv", "4x1"}}
                     : std::vector<calibrate::Implementation>{};
    }
    int longest_chain() const override { return 1; }
    calibrate::Address allocate(std::size_t) override { return nullptr; }
    std::byte* allocate_host(std::size_t, std::string_view) override { return nullptr; }
    calibrate::Address address_of(std::byte*) override { return nullptr; }
    int new_event() override { return 0; }
    int record(std::span<const calibrate::Stage>, bool) override { return 0; }
    std::vector<std::string_view> modes(calibrate::Direction) const override { return {}; }
    int record(const calibrate::Copy&) override { return 0; }
    void submit(int) override {}
    void wait(int) override {}
    bool has_happened(int) override { return true; }
    std::vector<double> stage_ns(int) override { return {}; }

private:
    calibrate::DeviceInfo info_;
};

}  // namespace

TEST_CASE("a fit is told where its kernel exists, by the device's own word") {
    const sim::Model model = small_model();
    const calibrate::Parameters parameters = calibrate::load_parameters(model);
    calibrate::Existence existence;
    const std::vector<int> asked{12, 13};
    existence.ask(Choosy{}, 1, model, parameters, asked, {});
    sim::FittedCost fit;
    fit.pattern = "linear binary";
    fit.device = 1;
    fit.variant = "gemv";
    fit.configuration = "4x1";
    existence.limit(fit);
    CHECK(fit.largest_batch == 12);
    // 2 lacks it and 4 has it: of 3 nobody knows. Beyond 12 the largest batch speaks.
    REQUIRE(fit.absent.size() == 2);  // a linear layer of 256 inputs and one of 65
    for (const sim::FittedCost::Absence& absence : fit.absent) {
        CHECK(absence.layers.starts_with("linear binary 1x1x"));
        CHECK(absence.from == 1);
        CHECK(absence.to == 3);
    }

    sim::FittedCost other = fit;  // of a device that was not asked
    other.device = 0;
    other.absent.clear();
    other.largest_batch = 0;
    existence.limit(other);
    CHECK(other.absent.empty());
    CHECK(other.largest_batch == 0);

    other.device = 1;  // nor was it asked for two results
    other.results = {0, 1};
    existence.limit(other);
    CHECK(other.absent.empty());
    CHECK(other.largest_batch == 0);
}
