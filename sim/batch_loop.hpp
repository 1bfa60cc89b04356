// No #pragma once: batch_evaluator.cpp includes this once for each instruction set.

// The inner loop of the batch evaluator: mappings side by side through the layers.
//
// Written with the compiler's vectors (GCC, Clang): operators work on all elements, comparisons
// give masks, and ?: chooses element by element. The includer says for what they are compiled:
//   HETMAP_LOOP_NAMESPACE   avx512
//   HETMAP_LOOP_TARGET      [[gnu::target("arch=x86-64-v4")]], or nothing
//   HETMAP_LOOP_BYTES       64
// A macro and not a template argument, because a mask's type is made for the target of the
// function it is written in.
//
// Start at `advance`: it is evaluator.cpp's `place`, but that the ends of submissions are known
// beforehand.

namespace sim::lanes::HETMAP_LOOP_NAMESPACE {

// Adds up the submissions of a program: one backward pass.
template <class T>
HETMAP_LOOP_TARGET void count_submissions(const Machine<T>& machine, Program<T>& program) {
    using Word = std::make_unsigned_t<T>;
    typedef T Times __attribute__((vector_size(HETMAP_LOOP_BYTES), may_alias));
    typedef Word Words __attribute__((vector_size(HETMAP_LOOP_BYTES), may_alias));
    for (int c = 0; c < kRowBytes / HETMAP_LOOP_BYTES; ++c) {
        Times next = Times{} - 1, run = Times{};
        for (std::size_t s = program.cost.size(); s-- > 0;) {
            const Words code =
                reinterpret_cast<const Words*>(program.words[program.word_at[s]].lane)[c];
            const Times device = (Times)((code >> kDevice) & Word{3});
            const Times active = (code & Word{1 << kActive}) != 0;
            const Times asynchronous = (code & Word{1 << kAsynchronous}) != 0;
            Times each = Times{};
            for (int d = 1; d < machine.devices; ++d) {
                const Times time = Times{} + machine.per_task[static_cast<std::size_t>(d)];
                each = device == static_cast<T>(d) ? time : each;
            }
            const Times longer = (device == next ? run : Times{}) + each;
            run = active ? (asynchronous ? longer : Times{}) : run;
            next = active ? (asynchronous ? device : Times{} - 1) : next;
            reinterpret_cast<Times*>(program.submission[s].lane)[c] = run;
        }
        reinterpret_cast<Times*>(program.lead_device.lane)[c] = next;
        reinterpret_cast<Times*>(program.lead_submission.lane)[c] = run;
    }
}

// Runs a program from the state on, layer by layer, for all lanes.
template <class T, int layouts>
HETMAP_LOOP_TARGET void advance(const Machine<T>& machine,
                                const std::vector<Step<T>>& steps,
                                const Program<T>& program,
                                State<T>& state) {
    using Word = std::make_unsigned_t<T>;
    typedef T Times __attribute__((vector_size(HETMAP_LOOP_BYTES), may_alias));
    typedef Word Words __attribute__((vector_size(HETMAP_LOOP_BYTES), may_alias));
    const int memories = machine.memories, devices = machine.devices;
    const int places = memories * layouts;
    const std::size_t stride = static_cast<std::size_t>(places) + 3;
    const Times none = Times{} - 1, zero = Times{}, one = Times{} + 1;

    for (std::size_t s = 0; s < program.cost.size(); ++s) {
        const Step<T>& step = steps[static_cast<std::size_t>(program.first) + s];
        const Row<Word>* const words = &program.words[program.word_at[s]];
        for (int c = 0; c < kRowBytes / HETMAP_LOOP_BYTES; ++c) {
            const Words code = reinterpret_cast<const Words*>(words->lane)[c];
            const Times active = (code & Word{1 << kActive}) != 0;
            const Times asynchronous = (code & Word{1 << kAsynchronous}) != 0;
            const Times device = (Times)((code >> kDevice) & Word{3});
            const Times memory = (Times)((code >> kMemory) & Word{3});
            Times& impossible = reinterpret_cast<Times*>(state.impossible.lane)[c];
            Times ready = zero, conversion = zero;

            // 1. Inputs: where they are, copies, what conversions will cost.
            for (std::size_t u = 0; u < step.inputs.size(); ++u) {
                const Input<T>& input = step.inputs[u];
                const Words word = reinterpret_cast<const Words*>(words[input.word].lane)[c];
                const Times read = (word & (Word{1} << input.shift)) != 0;
                const Times want = (word & (Word{2} << input.shift)) != 0;
                Row<T>* const tensor =
                    &state.tensors[stride * static_cast<std::size_t>(input.tensor)];
                const Times home = reinterpret_cast<const Times*>(tensor[places].lane)[c];
                const Times raw = reinterpret_cast<const Times*>(tensor[places + 1].lane)[c] != 0;
                Times here = none, wanted = none;  // in the device's memory: as made, as wanted
                for (int m = 0; m < memories; ++m) {
                    const Times in = memory == static_cast<T>(m);
                    const Times a = reinterpret_cast<const Times*>(tensor[m * layouts].lane)[c];
                    if constexpr (layouts == 1) {
                        here = in ? a : here;
                    } else {
                        const Times b =
                            reinterpret_cast<const Times*>(tensor[m * layouts + 1].lane)[c];
                        here = in ? (raw ? b : a) : here;
                        wanted = in ? (want ? b : a) : wanted;
                    }
                }
                const Times missing = read & (here < 0) & (wanted < 0);
                for (int from = 0; from < memories; ++from)
                    for (int to = 0; to < memories; ++to) {
                        if (from == to)
                            continue;
                        const auto pair = static_cast<std::size_t>(from * memories + to);
                        const Times needed = missing & (home == static_cast<T>(from)) &
                                             (memory == static_cast<T>(to));
                        if (machine.engine[pair] < 0) {
                            impossible = needed ? one : impossible;
                            continue;
                        }
                        Times& engine = reinterpret_cast<Times*>(
                            state.engine[static_cast<std::size_t>(machine.engine[pair])].lane)[c];
                        Times source =
                            reinterpret_cast<const Times*>(tensor[from * layouts].lane)[c];
                        Times copy = zero + input.copy[0][pair];
                        if constexpr (layouts == 2) {
                            const Times other =
                                reinterpret_cast<const Times*>(tensor[from * layouts + 1].lane)[c];
                            source = raw ? other : source;
                            copy = raw ? zero + input.copy[1][pair] : copy;
                        }
                        const Times done = (source > engine ? source : engine) + copy;
                        engine = needed ? done : engine;
                        here = needed ? done : here;
                        Times& target = reinterpret_cast<Times*>(tensor[to * layouts].lane)[c];
                        if constexpr (layouts == 1) {
                            target = needed ? done : target;
                        } else {
                            Times& other =
                                reinterpret_cast<Times*>(tensor[to * layouts + 1].lane)[c];
                            target = (needed & ~raw) ? done : target;
                            other = (needed & raw) ? done : other;
                        }
                    }
                if constexpr (layouts == 2) {
                    const Times needed = read & (wanted < 0) & (want ^ raw);
                    Times convert = zero;
                    for (int d = 0; d < devices; ++d) {
                        const auto k = static_cast<std::size_t>(d);
                        const Times time =
                            raw ? zero + input.convert[1][k] : zero + input.convert[0][k];
                        convert = device == static_cast<T>(d) ? time : convert;
                    }
                    impossible = (needed & (convert < 0)) ? one : impossible;
                    conversion += needed ? convert : zero;
                    reinterpret_cast<Times*>(state.offsets[u].lane)[c] = needed ? conversion : none;
                    here = wanted < 0 ? here : wanted;
                }
                const Times wait = reinterpret_cast<const Times*>(tensor[places + 2].lane)[c];
                const Times seen = here + (asynchronous ? zero : wait);
                ready = (read & (seen > ready)) ? seen : ready;
            }

            // 2. Run.
            Times& dispatcher = reinterpret_cast<Times*>(state.dispatcher.lane)[c];
            Times& open = reinterpret_cast<Times*>(state.open.lane)[c];
            Times submit = zero, each = zero, queue = zero, completion = zero;
            for (int d = 1; d < devices; ++d) {
                const auto k = static_cast<std::size_t>(d);
                const Times mine = device == static_cast<T>(d);
                submit = mine ? zero + machine.submit[k] : submit;
                each = mine ? zero + machine.per_task[k] : each;
                completion = mine ? zero + machine.completion[k] : completion;
                queue = mine ? reinterpret_cast<const Times*>(state.queue[k].lane)[c] : queue;
            }
            const Times left = reinterpret_cast<const Times*>(program.submission[s].lane)[c];
            const Times opens = device != open;
            const Times first = submit + (machine.whole_segments ? left : each);
            const Times next = machine.whole_segments ? zero : each;
            const Times spent = opens ? first : next;
            const Times gate = dispatcher + (asynchronous ? spent : zero);
            Times start = ready > gate ? ready : gate;
            start = (asynchronous & (queue > start)) ? queue : start;
            const Times end =
                start + conversion + reinterpret_cast<const Times*>(program.cost[s].lane)[c];
            dispatcher = active ? (asynchronous ? gate : end) : dispatcher;
            open = active ? (asynchronous ? device : zero) : open;
            for (int d = 1; d < devices; ++d) {
                Times& mine =
                    reinterpret_cast<Times*>(state.queue[static_cast<std::size_t>(d)].lane)[c];
                mine = (asynchronous & (device == static_cast<T>(d))) ? end : mine;
            }

            // 3. Converted inputs. The dispatcher's own conversions are in its past.
            if constexpr (layouts == 2)
                for (std::size_t u = 0; u < step.inputs.size(); ++u) {
                    const Input<T>& input = step.inputs[u];
                    const Times offset = reinterpret_cast<const Times*>(state.offsets[u].lane)[c];
                    const Words word = reinterpret_cast<const Words*>(words[input.word].lane)[c];
                    const Times want = (word & (Word{2} << input.shift)) != 0;
                    const Times done = asynchronous ? start + offset : zero;
                    Row<T>* const tensor =
                        &state.tensors[stride * static_cast<std::size_t>(input.tensor)];
                    for (int m = 0; m < memories; ++m) {
                        const Times made = (offset >= 0) & (memory == static_cast<T>(m));
                        Times& a = reinterpret_cast<Times*>(tensor[m * layouts].lane)[c];
                        Times& b = reinterpret_cast<Times*>(tensor[m * layouts + 1].lane)[c];
                        a = (made & ~want) ? done : a;
                        b = (made & want) ? done : b;
                    }
                }

            // 4. Results.
            const Times layout = (code & Word{1 << kLayout}) != 0;
            const Words result = (code >> kResult) & Word{7};
            for (std::size_t r = 0; r < step.results.size(); ++r) {
                Row<T>* const tensor =
                    &state.tensors[stride * static_cast<std::size_t>(step.results[r])];
                const Times mine = active & (result == static_cast<Word>(r));
                for (int m = 0; m < memories; ++m) {
                    const Times in = memory == static_cast<T>(m);
                    Times& a = reinterpret_cast<Times*>(tensor[m * layouts].lane)[c];
                    if constexpr (layouts == 1) {
                        a = mine ? (in ? end : none) : a;
                    } else {
                        Times& b = reinterpret_cast<Times*>(tensor[m * layouts + 1].lane)[c];
                        a = mine ? ((in & ~layout) ? end : none) : a;
                        b = mine ? ((in & layout) ? end : none) : b;
                    }
                }
                Times& home = reinterpret_cast<Times*>(tensor[places].lane)[c];
                Times& raw = reinterpret_cast<Times*>(tensor[places + 1].lane)[c];
                Times& wait = reinterpret_cast<Times*>(tensor[places + 2].lane)[c];
                home = mine ? memory : home;
                raw = mine ? (layout ? one : zero) : raw;
                wait = mine ? (asynchronous ? completion : zero) : wait;
            }
        }
    }
}

template <class T>
Loops<T> loops(int layouts) {
    return {count_submissions<T>, layouts == 1 ? advance<T, 1> : advance<T, 2>};
}

}  // namespace sim::lanes::HETMAP_LOOP_NAMESPACE

#undef HETMAP_LOOP_NAMESPACE
#undef HETMAP_LOOP_TARGET
#undef HETMAP_LOOP_BYTES
