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
}

void Layer::run(Context& context) const {
    for (const auto& term : terms) term->prepare(context);
    wide ? run_wide(context) : run_narrow(context);
}

void Layer::run_narrow(Context& context) const {
    for (const Block& block : blocks) {
        const int size = context.kernels.tile[block.vectors];
        int map = context.begin;
        int32_t place = 0;
        while (map < context.end) {
            const Tile tile = tile_at(map, place, size, context.end);
            run_tile(context, tile, block);
            map = tile.map[tile.count - 1];
            place = tile.place[tile.count - 1] + 1;
            if (place < positions()) continue;
            place = 0;
            ++map;
        }
    }
}

// The next positions, which may go on in the next map.
Tile Layer::tile_at(int map, int32_t place, int size, int end) const {
    Tile tile;
    const int32_t places = static_cast<int32_t>(positions());
    tile.together = places - place >= size;
    tile.count = 0;
    if (tile.together) {
        for (tile.count = 0; tile.count < size; ++tile.count) {
            tile.map[tile.count] = map;
            tile.place[tile.count] = place + tile.count;
        }
        return tile;
    }
    while (tile.count < size && map < end) {
        tile.map[tile.count] = map;
        tile.place[tile.count++] = place;
        if (++place < places) continue;
        place = 0;
        ++map;
    }
    return tile;
}

void Layer::run_tile(Context& context, const Tile& tile, const Block& block) const {
    alignas(64) uint32_t sums[2 * TILE * BLOCK];
    Fire fire;
    const bool fires = neuron->prepare(context, tile, block, fire);
    for (size_t i = 0; i < terms.size(); ++i)
        terms[i]->narrow(context, tile, block, sums, i == 0, fires && i + 1 == terms.size() ? &fire : nullptr);
    if (!fires) neuron->narrow(context, tile, block, sums);
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
