// Linear maps: weights packed for the kernels, and the offsets at which every output position reads.
#include <algorithm>
#include <cstring>
#include <stdexcept>

#include "terms.h"

namespace snncc {

std::vector<int32_t> windows(const Geometry& g, const Layer& layer, int32_t unit, int32_t reach_y, int32_t reach_x,
                             int32_t stride_y, int32_t stride_x, int32_t pad_y, int32_t pad_x) {
    const int64_t rows = static_cast<int64_t>(g.top) + g.height + g.bottom;
    const int64_t y0 = static_cast<int64_t>(g.top) - pad_y, x0 = static_cast<int64_t>(g.left) - pad_x;
    require(stride_y > 0 && stride_x > 0 && reach_y >= 0 && reach_x >= 0, "a window with no stride or size");
    require(y0 >= 0 && x0 >= 0, "a window begins outside its source");
    require(y0 + static_cast<int64_t>(layer.height - 1) * stride_y + reach_y < rows, "a window ends below its source");
    require(x0 + static_cast<int64_t>(layer.width - 1) * stride_x + reach_x < g.row(), "a window ends beside its source");
    require(g.pixels() * unit < INT32_MAX, "a source of 2 GiB or more");
    std::vector<int32_t> places;
    places.reserve(static_cast<size_t>(layer.positions()));
    for (int64_t y = 0; y < layer.height; ++y)
        for (int64_t x = 0; x < layer.width; ++x)
            places.push_back(static_cast<int32_t>(((y0 + y * stride_y) * g.row() + x0 + x * stride_x) * unit));
    return places;
}

namespace {

void add_times(uint32_t* sums, const uint32_t* parts, int count, int width, uint32_t multiplier) {
    for (int m = 0; m < count; ++m)
        for (int c = 0; c < width; ++c) sums[m * BLOCK + c] += parts[m * BLOCK + c] * multiplier;
}

}  // namespace

void Tiled::narrow(const Context& context, const Strip& strip, const Block& block, uint32_t* sums, bool first,
                   const Fire* fire) const {
    if (whole(context.kernels) && (first || adds())) return sum(context, strip, block, sums, !first, fire);
    alignas(64) uint32_t parts[STRIP * BLOCK];
    sum(context, strip, block, parts, false, nullptr);
    const int width = block.vectors * LANES;
    if (first)
        for (int m = 0; m < strip.count; ++m) std::memset(sums + m * BLOCK, 0, sizeof(uint32_t) * width);
    add_times(sums, parts, strip.count, width, multiplier_);
    if (fire) context.kernels.stairs(sums, strip.count, *fire);
}

WideConv::WideConv(const Geometry& g, const ConvShape& s, const int8_t* weights, bool used)
    : geometry_(g), shape_(s) {
    const int64_t size = int64_t{s.outputs} * s.fan_in * s.kernel_height * s.kernel_width;
    if (used) weights_.assign(weights, weights + size);
}

void WideConv::add(const uint8_t* window, const Block& block, int64_t multiplier, int64_t* sums) const {
    const ConvShape& s = shape_;
    const int64_t group = block.first / (s.outputs / s.groups);
    const int64_t kernel = int64_t{s.kernel_height} * s.kernel_width;
    for (int32_t c = 0; c < block.count; ++c) {
        const int8_t* w = weights_.data() + (block.first + c) * s.fan_in * kernel;
        const int64_t own = s.outputs / s.groups == 1 ? block.first + c : group;  // one group per output
        int64_t total = 0;
        for (int32_t i = 0; i < s.fan_in; ++i)
            for (int32_t y = 0; y < s.kernel_height; ++y)
                for (int32_t x = 0; x < s.kernel_width; ++x) {
                    const int64_t pixel = int64_t{y} * s.dilation_height * geometry_.row() + int64_t{x} * s.dilation_width;
                    const int64_t code = window[pixel * geometry_.channels + own * s.fan_in + i];
                    total += (code - geometry_.zero) * *w++;
                }
        sums[c] += total * multiplier;
    }
}

namespace {

class Conv : public Tiled {
  public:
    Conv(const Geometry& g, int source, const ConvShape& s, const int8_t* weights, int32_t multiplier,
         bool skips, const Layer& layer)
        : Tiled(source, static_cast<uint32_t>(multiplier)), geometry_(g), shape_(s), blocks_(layer.blocks), wide_(g, s, weights, layer.wide), skips_(skips) {
        places_ = windows(g, layer, g.channels, (s.kernel_height - 1) * s.dilation_height,
                          (s.kernel_width - 1) * s.dilation_width, s.stride_height, s.stride_width, s.pad_top, s.pad_left);
        joined_ = s.dilation_width == 1 && s.groups == 1;
        for (int32_t y = 0; y < s.kernel_height; ++y)
            for (int32_t x = 0; x < (joined_ ? 1 : s.kernel_width); ++x, ++segments_) {
                const int64_t pixel = int64_t{y} * s.dilation_height * g.row() + int64_t{x} * s.dilation_width;
                for (int32_t i = 0; i < length(); i += 4) offsets_.push_back(static_cast<int32_t>(pixel * g.channels + i));
            }
        for (const Block& block : layer.blocks) packed_.push_back(pack(block, weights));
        pairs_fit_ = pairs_fit(weights);
        together_ = fits_short(segments_, weights) ? segments_ : fits_short(1, weights);
        if (layer.width % 4 == 0) step_ = int64_t{s.stride_width} * g.channels;
    }

    void wide(const Context& context, int map, int32_t place, const Block& block, int64_t* sums) const override {
        wide_.add(context.arena.map(source_, map) + places_[place], block, static_cast<int32_t>(multiplier_), sums);
        if (skip_) skip_->wide(context, map, place, block, sums);
    }

    int64_t products() const override { return int64_t{shape_.outputs} * segments_ * length(); }

    bool absorb(std::unique_ptr<Term>& term) override {
        if (!skips_ || skip_ || !fires() || !term->scales()) return false;
        skip_ = std::move(term);
        return true;
    }

    bool follow_spikes(int most) override {
        const bool listed = joined_ && geometry_.zero == 0 && shape_.span == 1 && geometry_.row() * geometry_.channels <= UINT16_MAX &&
                            int64_t{segments_} * length() <= MOST_INPUTS && together_ > 0;
        if (!listed) return false;
        followed_.resize(blocks_.size());
        for (const Band& band : bands_of(blocks_, most)) followed_[band.blocks->index] = by_input(band);
        return true;
    }

    void list_spikes(Context& context) const override {
        if (followed_.empty()) return;
        SpikeLists& lists = context.arena.spikes(source_);
        const int64_t pixels = geometry_.row(), rows = geometry_.pixels() / pixels, length = pixels * geometry_.channels;
        lists.starts.resize(static_cast<size_t>(context.end * rows * (pixels + 1)));
        int32_t known = 0;
        for (int map = context.begin; map < context.end; ++map)
            for (int64_t row = 0; row < rows; ++row) {
                if (lists.ids.size() < static_cast<size_t>(known + length + SLACK))
                    lists.ids.resize(static_cast<size_t>(2 * (known + length + SLACK)));
                known = context.kernels.list_spikes(context.arena.map(source_, map) + row * length, static_cast<int>(pixels),
                                                    geometry_.channels, lists.ids.data(),
                                                    lists.starts.data() + (map * rows + row) * (pixels + 1), known);
            }
    }

    void follow(const Context& context, const Strip& strip, const Band& band, uint32_t* sums, bool first) const override {
        if (followed_.empty()) return Tiled::follow(context, strip, band, sums, first);
        const SpikeLists& lists = context.arena.spikes(source_);
        const int64_t pixels = geometry_.row(), map = geometry_.pixels() / pixels * (pixels + 1);
        const int64_t pixel = places_[strip.place[0]] / geometry_.channels, y = pixel / pixels, x = pixel % pixels;
        const int32_t* starts = lists.starts.data() + strip.map[0] * map + y * (pixels + 1) + x;
        const Spikes spikes{lists.ids.data(), starts, shape_.dilation_height * (pixels + 1), map};
        context.kernels.gather({spikes, static_cast<int32_t>(x * geometry_.channels), shape_.kernel_height, shape_.kernel_width,
                                length(), together_, followed_[band.blocks->index].data(), width_of(band), sums, band.apart(),
                                multiplier_, !first}, strip.count);
    }

  protected:
    void sum(const Context& context, const Strip& strip, const Block& block, uint32_t* sums, bool onto,
             const Fire* fire) const override {
        const int64_t group = int64_t{block.first / (shape_.outputs / shape_.groups)} * shape_.fan_in;
        const uint8_t* rows[STRIP];
        rows_of(context, strip, places_, group, rows);
        const uint8_t* others[STRIP];
        const Scaling skip = skip_ ? skip_->scaling(context, strip, block, others) : Scaling{};
        const int64_t step = strip.steps ? context.arena.stride(source_) : step_;
        const Product product{rows, strip.count % 4 ? 0 : step, offsets_.data(), static_cast<int32_t>(offsets_.size()),
                              length() % 16 == 0, packed_[block.index].data(), sums, pairs_fit_,
                              own_multiplier(context.kernels), onto, fire, skip_ ? &skip : nullptr};
        context.kernels.product(product, block.vectors, strip.count);
    }

  private:
    int32_t length() const { return joined_ ? shape_.kernel_width * shape_.fan_in : shape_.fan_in; }

    // [groups of 4 inputs][channels of the block][4]; channels beyond the block's and bytes behind a segment get 0.
    Aligned<int8_t> pack(const Block& block, const int8_t* weights) const {
        const int64_t width = block.vectors * LANES, kernel = int64_t{shape_.kernel_height} * shape_.kernel_width;
        const int64_t groups = (length() + 3) / 4;
        Aligned<int8_t> packed(offsets_.size() * static_cast<size_t>(width) * 4, 0);
        for (int32_t s = 0; s < segments_; ++s)
            for (int32_t i = 0; i < length(); ++i) {
                const int64_t tap = int64_t{s} * (joined_ ? shape_.kernel_width : 1) + i / shape_.fan_in;
                const int64_t place = (s * groups + i / 4) * width * 4 + i % 4;
                for (int32_t c = 0; c < block.count; ++c)
                    packed[static_cast<size_t>(place + c * 4)] =
                        weights[(int64_t{block.first + c} * shape_.fan_in + i % shape_.fan_in) * kernel + tap];
            }
        return packed;
    }

    static int32_t width_of(const Band& band) { return band.count == 1 && band.blocks->vectors <= 2 ? 32 : band.count * BLOCK; }

    // [stretches][inputs][width] and a row of zeros, from what `pack` made.
    Aligned<int8_t> by_input(const Band& band) const {
        const int64_t width = width_of(band), groups = (length() + 3) / 4;
        Aligned<int8_t> rows(static_cast<size_t>((int64_t{segments_} * length() + 1) * width), 0);
        for (const Block* block = band.blocks; block < band.blocks + band.count; ++block)
            for (int64_t s = 0; s < segments_; ++s)
                for (int64_t i = 0; i < length(); ++i)
                    for (int32_t c = 0; c < block->count; ++c)
                        rows[static_cast<size_t>((s * length() + i) * width + (block - band.blocks) * BLOCK + c)] =
                            packed_[block->index][static_cast<size_t>(((s * groups + i / 4) * block->vectors * LANES + c) * 4 + i % 4)];
        return rows;
    }

    // Whether 16 bits hold every sum of some of the weights of so many stretches.
    bool fits_short(int32_t stretches, const int8_t* weights) const {
        const int64_t kernel = int64_t{shape_.kernel_height} * shape_.kernel_width, taps = kernel / segments_ * stretches;
        for (int64_t row = 0; row < int64_t{shape_.outputs} * shape_.fan_in; row += shape_.fan_in)
            for (int64_t first = 0; first < kernel; first += taps) {
                int64_t low = 0, high = 0;
                for (int64_t i = 0; i < shape_.fan_in; ++i)
                    for (int64_t tap = first; tap < first + taps; ++tap) {
                        const int8_t weight = weights[(row + i) * kernel + tap];
                        (weight < 0 ? low : high) += weight;
                    }
                if (low < INT16_MIN || high > INT16_MAX) return false;
            }
        return true;
    }

    // Whether no two neighbouring products leave 16 bits: those that vpmaddubsw adds.
    bool pairs_fit(const int8_t* weights) const {
        int32_t largest = 0;
        const int64_t size = int64_t{shape_.outputs} * shape_.fan_in * shape_.kernel_height * shape_.kernel_width;
        for (int64_t i = 0; i < size; ++i) largest = std::max<int32_t>(largest, weights[i] < 0 ? -weights[i] : weights[i]);
        return int64_t{2} * shape_.span * largest <= INT16_MAX;
    }

    const Geometry geometry_;
    const ConvShape shape_;
    const std::vector<Block> blocks_;
    const WideConv wide_;
    const bool skips_;
    std::unique_ptr<Term> skip_;  // factors per channel that the kernel adds
    bool joined_, pairs_fit_;
    int64_t step_ = 0;  // from one position to the next, in every four of a row
    int32_t together_;  // stretches whose sums fit 16 bits: all, 1 or none
    int32_t segments_ = 0;  // stretches of bytes that lie next to each other
    std::vector<int32_t> places_, offsets_;
    std::vector<Aligned<int8_t>> packed_, followed_;  // the second, where spikes can be followed
};

// Codes are levels minus lo; what the sums contain too much is taken off where neurons add their offset.
void correct(Layer& layer, const Geometry& g, const ConvShape& s, const int8_t* weights, int32_t multiplier) {
    const int64_t fan = int64_t{s.fan_in} * s.kernel_height * s.kernel_width;
    for (int64_t c = 0; c < s.outputs; ++c) {
        int64_t total = 0;
        for (int64_t i = 0; i < fan; ++i) total += weights[c * fan + i];
        layer.correction[static_cast<size_t>(c)] -= static_cast<uint32_t>(total * g.zero) * static_cast<uint32_t>(multiplier);
    }
}

bool is_depthwise(const Geometry& g, const ConvShape& s) {
    return s.groups == g.channels && s.outputs == g.channels && s.groups > 1;
}

}  // namespace

void check_conv(const Geometry& g, const ConvShape& s, const Layer& layer) {
    require(s.groups > 0 && s.outputs == layer.channels && int64_t{s.fan_in} * s.groups == g.channels &&
                s.outputs % s.groups == 0 && s.kernel_height > 0 && s.kernel_width > 0 && s.dilation_height > 0 &&
                s.dilation_width > 0 && s.span > 0 && s.span <= 255,
            "weights do not fit their source");
    require(is_depthwise(g, s) || s.outputs / s.groups % layer.group == 0, "blocks do not fit the groups");
}

std::unique_ptr<Term> make_conv(const Kernels& kernels, const Geometry& g, int source, const ConvShape& s,
                                const int8_t* weights, int32_t multiplier, Layer& layer) {
    correct(layer, g, s, weights, multiplier);
    if (is_depthwise(g, s)) return make_depthwise_conv(g, source, s, weights, multiplier, layer);
    return std::make_unique<Conv>(g, source, s, weights, multiplier, kernels.multiplies, layer);
}

}  // namespace snncc
