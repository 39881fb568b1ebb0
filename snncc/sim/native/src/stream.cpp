#include "stream.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <ctime>

namespace snncc {
namespace {

// Of this thread's work where the system tells: other threads must not decide for it.
int64_t nanoseconds() {
#if defined(CLOCK_THREAD_CPUTIME_ID)
    timespec now{};
    if (clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now) == 0) return int64_t{now.tv_sec} * 1000000000 + now.tv_nsec;
#endif
    return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

}  // namespace

StreamLayer::StreamLayer(std::unique_ptr<Layer> layer, std::vector<std::unique_ptr<Term>> lasting, int delay,
                         std::unique_ptr<Stepping> neurons, int gathered)
    : layer_(std::move(layer)), lasting_(std::move(lasting)), delay_(delay), neurons_(std::move(neurons)) {
    require(!layer_->wide, "streaming neurons have at most 32 bits");
    const int most = lasting_.empty() ? gathered : 1;
    for (const auto& term : layer_->terms) follows_ |= term->follow_spikes(most);
    single_ = bands_of(layer_->blocks, 1);
    wide_ = bands_of(layer_->blocks, most);
}

std::vector<Band> bands_of(const std::vector<Block>& blocks, int most) {
    std::vector<Band> bands;
    for (size_t first = 0; first < blocks.size(); first += static_cast<size_t>(bands.back().count)) {
        int count = most;
        while (first + static_cast<size_t>(count) > blocks.size()) count /= 2;
        bands.push_back({&blocks[first], count});
    }
    return bands;
}

void Term::follow(const Context& context, const Strip& strip, const Band& band, uint32_t* sums, bool first) const {
    alignas(64) uint32_t own[STRIP * BLOCK];
    for (int n = 0; n < band.count; ++n, sums += band.apart()) {
        narrow(context, strip, band.blocks[n], own, true, nullptr);
        for (int i = 0; i < strip.count * BLOCK; ++i) sums[i] = first ? own[i] : sums[i] + own[i];
    }
}

void StreamLayer::run(Context& context) const {
    if (context.step == 0) neurons_->start(context);
    if (!follows_) return run(context, false);
    const Trials::Run chosen = trials_.next();
    if (!chosen.timed) return run(context, chosen.second);
    const int64_t start = nanoseconds();
    run(context, chosen.second);
    trials_.took(chosen, nanoseconds() - start);
}

void StreamLayer::run(Context& context, bool followed) const {
    for (const auto& term : layer_->terms) {
        term->prepare(context);
        if (followed) term->list_spikes(context);
    }
    for (const auto& term : lasting_) term->prepare(context);
    alignas(64) uint32_t constant[STRIP * BLOCK];
    const int32_t places = static_cast<int32_t>(layer_->positions());
    for (const Band& band : followed ? wide_ : single_)
        for (int32_t first = 0; first < places; first += STRIP) {
            const int count = std::min(STRIP, places - first), steps = STEPS / band.count;
            arriving_always(context, *band.blocks, first, count, constant);
            for (int m = 0; m < count; ++m)
                for (int map = context.begin; map < context.end; map += steps)
                    step(context, band, {map, std::min(steps, context.end - map), first + m, followed}, constant + m * BLOCK);
        }
}

// What arrives in every step at the `count` positions from `first` on.
void StreamLayer::arriving_always(Context& context, const Block& block, int32_t first, int count, uint32_t* constant) const {
    Strip strip;
    strip.count = count;
    strip.together = true;
    strip.steps = false;
    for (int m = 0; m < count; ++m) {
        strip.map[m] = 1;
        strip.place[m] = first + m;
    }
    for (size_t i = 0; i < lasting_.size(); ++i) lasting_[i]->narrow(context, strip, block, constant, i == 0, nullptr);
}

void StreamLayer::step(Context& context, const Band& band, const Steps& own, const uint32_t* constant) const {
    const auto& terms = layer_->terms;
    if (terms.empty()) return neurons_->advance(context, own.map, own.count, own.place, *band.blocks, {constant, 0});
    alignas(64) uint32_t sums[STRIP * BLOCK];
    Strip strip;
    strip.count = own.count;
    strip.together = false;
    strip.steps = true;
    for (int m = 0; m < own.count; ++m) {
        strip.map[m] = own.map + m - delay_;
        strip.place[m] = own.place;
    }
    for (size_t i = 0; i < terms.size(); ++i)
        if (own.followed)
            terms[i]->follow(context, strip, band, sums, i == 0);
        else
            terms[i]->narrow(context, strip, *band.blocks, sums, i == 0, nullptr);
    const int width = band.blocks->vectors * LANES;
    for (int m = 0; m < own.count && !lasting_.empty(); ++m)
        for (int c = 0; c < width; ++c) sums[m * BLOCK + c] += constant[c];
    for (int n = 0; n < band.count; ++n)
        neurons_->advance(context, own.map, own.count, own.place, band.blocks[n], {sums + n * band.apart(), BLOCK});
}

void StreamLayer::finish(Context& context) const { neurons_->finish(context); }

namespace {

class StreamInput : public Operation {
  public:
    StreamInput(const Geometry& g, int buffer, int slot, bool lasting)
        : geometry_(g), places_(places_of(g)), buffer_(buffer), slot_(slot), lasting_(lasting) {}

    void run(Context& context) const override {
        const uint8_t* outer = context.inputs[slot_] + context.image * geometry_.elements();
        if (context.step == 0) {
            take(outer, context.arena.map(buffer_, 1));
            for (int64_t i = 0; i < geometry_.elements(); ++i) (*context.events)[1] |= outer[i] != geometry_.zero;
        }
        if (!lasting_)
            for (int map = context.step == 0 ? 2 : 1; map < context.end; ++map)
                std::memset(context.arena.map(buffer_, map), geometry_.zero, static_cast<size_t>(geometry_.bytes()));
    }

  private:
    void take(const uint8_t* outer, uint8_t* inner) const {
        const int64_t positions = geometry_.positions();
        for (int64_t c = 0; c < geometry_.channels; ++c)
            for (int64_t place = 0; place < positions; ++place) inner[places_[place] + c] = outer[c * positions + place];
    }

    const Geometry geometry_;
    const std::vector<int32_t> places_;
    const int buffer_, slot_;
    const bool lasting_;
};

}  // namespace

std::unique_ptr<Operation> make_stream_input(const Geometry& g, int buffer, int slot, bool lasting) {
    return std::make_unique<StreamInput>(g, buffer, slot, lasting);
}

}  // namespace snncc
