#include "layer.h"

#include <algorithm>
#include <cstring>
#include <stdexcept>

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
}

void Layer::run(Context& context) const {
    for (const auto& term : terms) term->prepare(context);
    wide ? run_wide(context) : run_narrow(context);
}

void Layer::run_narrow(Context& context) const {
    for (const Block& block : blocks) {
        int map = context.begin;
        int32_t place = 0;
        while (map < context.end) {
            const Strip strip = strip_at(map, place, context.end);
            run_strip(context, strip, block);
            map = strip.map[strip.count - 1];
            place = strip.place[strip.count - 1] + 1;
            if (place < positions()) continue;
            place = 0;
            ++map;
        }
    }
}

// The next positions. Where a map has few, they go on in the next one.
Strip Layer::strip_at(int map, int32_t place, int end) const {
    Strip strip;
    const int32_t places = static_cast<int32_t>(positions()), left = places - place;
    strip.together = left >= STRIP || places >= 4 * STRIP;
    strip.steps = false;
    strip.count = 0;
    if (strip.together) {
        strip.count = std::min(left, STRIP);
        for (int m = 0; m < strip.count; ++m) {
            strip.map[m] = map;
            strip.place[m] = place + m;
        }
        return strip;
    }
    while (strip.count < STRIP && map < end) {
        strip.map[strip.count] = map;
        strip.place[strip.count++] = place;
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

void Layer::run_wide(Context& context) const {
    int64_t sums[BLOCK];
    for (const Block& block : blocks)
        for (int map = context.begin; map < context.end; ++map)
            for (int32_t place = 0; place < positions(); ++place) {
                std::memset(sums, 0, sizeof sums);
                for (const auto& term : terms) term->wide(context, map, place, block, sums);
                neuron->wide(context, map, place, block, sums);
            }
}

}  // namespace snncc
