#include "sweep/finished.hpp"

#include "sim/error.hpp"
#include "sim/report/names.hpp"
#include "sim/search/mapped.hpp"
#include "sweep/library.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <exception>
#include <utility>

namespace sweep {
namespace {

constexpr std::array<std::pair<Status, std::string_view>, 4> kStatusNames{
    {{Status::proven, "proven"},
     {Status::unproven, "unproven"},
     {Status::refused, "refused"},
     {Status::failed, "failed"}}};

Point point_of(const sim::Answer& answer) {
    Point point;
    point.latency_us = sim::exact_microseconds(answer.schedule.makespan);
    if (answer.energy) {
        point.energy_mj = sim::microjoules(answer.energy->total()) / 1000;
    }
    if (answer.accuracy) {
        point.accuracy_percent = answer.accuracy->percent;
    }
    if (answer.stream && answer.stream->period > sim::Time{}) {
        point.images_per_second =
            answer.problem->batch * 1e6 / sim::microseconds(answer.stream->period);
    }
    point.network = answer.problem->model;
    point.mapping =
        sim::to_yaml(sim::describe(*answer.problem, answer.mapping, answer.schedule.makespan));
    return point;
}

void finish_mapping(Finished& finished,
                    const sim::Wishes& wishes,
                    const std::vector<sim::Model>& networks,
                    const sim::Platform& platform,
                    int batch,
                    const sim::Limits& limits) {
    const sim::Mapped mapped = sim::map_best(wishes, networks, platform, batch, limits);
    const sim::Answer& answer = mapped.answer;
    const sim::ObjectiveName name = sim::named(answer.goal.minimise.front());
    // What is proven in its order alone may be beaten in another, where orders are searched too.
    const bool any_order = sim::find_search(answer.search).decides_order;
    const sim::SearchResult& result = answer.result;
    const sim::Time least = any_order ? result.lower_bound_in_any_order : result.lower_bound;
    const double bound =
        answer.goal.is_latency() ? static_cast<double>(least.count()) : result.bound;
    const bool is_proven =
        result.status == sim::SearchStatus::proven && (result.in_any_order || !any_order);
    finished.status = is_proven ? Status::proven : Status::unproven;
    finished.unit = name.unit;
    finished.value = sim::value_of(answer) / name.per_unit;
    if (finished.status == Status::proven) {
        finished.bound = finished.value;
    } else if (bound > 0) {
        finished.bound = bound / name.per_unit;
    }
    finished.nodes = answer.result.evaluated;
    finished.points = {point_of(answer)};
}

void finish_front(Finished& finished,
                  const sim::Wishes& wishes,
                  const std::vector<sim::Model>& networks,
                  const sim::Platform& platform,
                  int batch,
                  const sim::Limits& limits) {
    const sim::MappedFront mapped = sim::map_front(wishes, networks, platform, batch, limits);
    finished.status = mapped.front.front.proven ? Status::proven : Status::unproven;
    finished.unit = "points";
    finished.nodes = mapped.front.front.evaluated;
    for (const sim::Answer& answer : mapped.front.points) {
        finished.points.push_back(point_of(answer));
    }
    finished.value = static_cast<double>(finished.points.size());
}

template <class Value>
nlohmann::ordered_json or_null(const std::optional<Value>& value) {
    return value ? nlohmann::ordered_json(*value) : nlohmann::ordered_json(nullptr);
}

std::optional<double> number_or_nothing(const nlohmann::ordered_json& json) {
    return json.is_null() ? std::nullopt : std::optional{json.get<double>()};
}

}  // namespace

std::string_view name_of(Status status) {
    return std::ranges::find(kStatusNames, status, &std::pair<Status, std::string_view>::first)
        ->second;
}

std::optional<Status> status_named(std::string_view name) {
    for (const auto& [status, its] : kStatusNames) {
        if (its == name) {
            return status;
        }
    }
    return std::nullopt;
}

Finished finish(const Cell& cell, Library& library, const Conditions& conditions) {
    Finished finished;
    finished.time_limit_s = conditions.time_limit_s;
    finished.revision = conditions.revision;
    const double begin = conditions.clock();
    try {
        const sim::Wishes wishes = wishes_of(cell, conditions.threads);
        sim::expect_able(wishes);
        const std::vector<sim::Model>& networks =
            library.networks(cell.model, sim::asks_for_accuracy(wishes));
        const sim::Platform& platform = library.platform(cell.platform, cell.what_if);
        const sim::Limits limits{.seconds = conditions.time_limit_s,
                                 .memory = conditions.memory,
                                 .clock = conditions.clock,
                                 .stop = {},
                                 .progress = {},
                                 .leaves_out = {}};
        const auto find = wishes.pareto.empty() ? finish_mapping : finish_front;
        find(finished, wishes, networks, platform, cell.batch, limits);
    } catch (const sim::InputError& error) {
        finished.status = Status::refused;
        finished.message = error.what();
    } catch (const std::exception& error) {
        finished.status = Status::failed;
        finished.message = error.what();
    }
    finished.seconds = conditions.clock() - begin;
    return finished;
}

nlohmann::ordered_json to_json(const Finished& finished) {
    nlohmann::ordered_json points = nlohmann::ordered_json::array();
    for (const Point& point : finished.points) {
        points.push_back({{"latency_us", point.latency_us},
                          {"energy_mj", or_null(point.energy_mj)},
                          {"accuracy_percent", or_null(point.accuracy_percent)},
                          {"images_per_second", or_null(point.images_per_second)},
                          {"network", point.network},
                          {"mapping", point.mapping}});
    }
    return {{"status", name_of(finished.status)},
            {"message", finished.message},
            {"value", or_null(finished.value)},
            {"bound", or_null(finished.bound)},
            {"unit", finished.unit},
            {"nodes", finished.nodes},
            {"seconds", finished.seconds},
            {"time_limit_s", finished.time_limit_s},
            {"revision", finished.revision},
            {"points", points}};
}

Finished finished_of(const nlohmann::ordered_json& json) {
    Finished finished;
    finished.status =
        status_named(json.at("status").get_ref<const std::string&>()).value_or(Status::failed);
    json.at("message").get_to(finished.message);
    finished.value = number_or_nothing(json.at("value"));
    finished.bound = number_or_nothing(json.at("bound"));
    json.at("unit").get_to(finished.unit);
    json.at("nodes").get_to(finished.nodes);
    json.at("seconds").get_to(finished.seconds);
    json.at("time_limit_s").get_to(finished.time_limit_s);
    json.at("revision").get_to(finished.revision);
    for (const nlohmann::ordered_json& one : json.at("points")) {
        Point& point = finished.points.emplace_back();
        one.at("latency_us").get_to(point.latency_us);
        point.energy_mj = number_or_nothing(one.at("energy_mj"));
        point.accuracy_percent = number_or_nothing(one.at("accuracy_percent"));
        point.images_per_second = number_or_nothing(one.at("images_per_second"));
        one.at("network").get_to(point.network);
        one.at("mapping").get_to(point.mapping);
    }
    return finished;
}

}  // namespace sweep
