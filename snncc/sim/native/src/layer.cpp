#include "layer.h"

#include <algorithm>
#include <cstring>
#include <stdexcept>

#include "threads.h"

namespace snncc {

void require(bool holds, const char* what) {
    if (!holds) throw std::invalid_argument(what);
}

std::vector<int32_t> places_of(const Geometry& g) {
    std::vector<int32_t> places;
    places.reserve(static_cast<size_t>(g.positions()));
    for (int32_t y = 0; y < g.height; ++y)
        for (int32_t x = 0; x < g.width; ++x) places.push_back(static_cast<int32_t>(g.pixel(y, x) * g.channels));
    return places;
}

Layer::Layer(int32_t channels_, int32_t height_, int32_t width_, int32_t group_, bool wide_)
    : channels(channels_), height(height_), width(width_), group(group_), wide(wide_) {
    require(channels > 0 && height > 0 && width > 0, "a layer without neurons");
    require(positions() <= MOST_ELEMENTS && positions() * channels <= MOST_ELEMENTS, "a layer of too many neurons");
    require(group > 0 && channels % group == 0, "groups do not fit the channels");
    correction.resize(static_cast<size_t>(channels));
    for (int32_t start = 0; start < channels; start += group)
        for (int32_t first = start; first < start + group; first += BLOCK) {
            const int32_t count = std::min<int32_t>(BLOCK, start + group - first);
            blocks.push_back({static_cast<int32_t>(blocks.size()), first, count, (count + LANES - 1) / LANES});
        }
}

// The order of a sum is free: a term that can let the neurons fire comes last.
void Layer::close() {
    std::stable_partition(terms.begin(), terms.end(), [](const auto& term) { return !term->fires(); });
    for (size_t i = 0; i + 1 < terms.size(); ++i)
        if (terms.back()->absorb(terms[i])) terms.erase(terms.begin() + static_cast<ptrdiff_t>(i--));
    for (const auto& term : terms) products_ += term->products();
}

// Products of bytes from which on waking threads pays: tens of microseconds.
constexpr int64_t WORTH_SHARING = int64_t{1} << 23;

// Pieces of a layer for every thread, so that they end at about the same time.
constexpr int64_t PIECES = 8;

void Layer::run(Context& context) const {
    for (const auto& term : terms) term->prepare(context);
    const int64_t from = context.begin * positions(), to = context.end * positions();
    if (context.team && (to - from) * products_ >= WORTH_SHARING) return run_together(context);
    for (const Block& block : blocks) run_places(context, block, from, to);
}

void Layer::run_together(Context& context) const {
    const int64_t from = context.begin * positions(), to = context.end * positions();
    const int64_t count = static_cast<int64_t>(blocks.size());
    const int64_t parts = std::max<int64_t>(1, PIECES * context.team->threads() / count);
    const int64_t size = ((to - from + parts - 1) / parts + STRIP - 1) / STRIP * STRIP;
    const int64_t pieces = (to - from + size - 1) / size;
    context.team->share(count * pieces, [&](int64_t piece) {
        const int64_t first = from + piece % pieces * size;
        run_places(context, blocks[static_cast<size_t>(piece / pieces)], first, std::min(to, first + size));
    });
}

void Layer::run_places(Context& context, const Block& block, int64_t from, int64_t to) const {
    if (wide) return run_wide(context, block, from, to);
    while (from < to) {
        const Strip strip = strip_at(from, to);
        run_strip(context, strip, block);
        from += strip.count;
    }
}

// The next positions. Where a map has few, they go on in the next one.
Strip Layer::strip_at(int64_t from, int64_t to) const {
    Strip strip;
    const int64_t places = positions(), left = std::min(to - from, places - from % places);
    int map = static_cast<int>(from / places);
    int32_t place = static_cast<int32_t>(from % places);
    strip.together = left >= STRIP || places >= 4 * STRIP;
    strip.steps = false;
    strip.count = static_cast<int>(std::min<int64_t>(STRIP, strip.together ? left : to - from));
    for (int m = 0; m < strip.count; ++m) {
        strip.map[m] = map;
        strip.place[m] = place;
        if (++place < places) continue;
        place = 0;
        ++map;
    }
    return strip;
}

void Layer::run_strip(Context& context, const Strip& strip, const Block& block) const {
    alignas(64) uint32_t sums[STRIP * BLOCK];
    Fire fire;
    const bool fires = neuron->prepare(context, strip, block, fire);
    for (size_t i = 0; i < terms.size(); ++i)
        terms[i]->narrow(context, strip, block, sums, i == 0, fires && i + 1 == terms.size() ? &fire : nullptr);
    if (!fires) neuron->narrow(context, strip, block, sums);
}

void Layer::run_wide(Context& context, const Block& block, int64_t from, int64_t to) const {
    int64_t sums[BLOCK];
    for (; from < to; ++from) {
        const int map = static_cast<int>(from / positions());
        const int32_t place = static_cast<int32_t>(from % positions());
        std::memset(sums, 0, sizeof sums);
        for (const auto& term : terms) term->wide(context, map, place, block, sums);
        neuron->wide(context, map, place, block, sums);
    }
}

}  // namespace snncc
