// A population or readout: the sum of its terms, strip by strip, and what a neuron makes of it.
#pragma once

#include "program.h"

namespace snncc {

class Neuron {
  public:
    virtual ~Neuron() = default;
    // Where the last term can let a whole strip fire: `fire` is set; else false, and `narrow` takes the sums.
    virtual bool prepare(Context&, const Strip&, const Block&, Fire&) const { return false; }
    virtual void narrow(Context&, const Strip&, const Block&, const uint32_t* sums) const = 0;
    virtual void wide(Context&, int map, int32_t place, const Block&, const int64_t* sums) const = 0;
};

class Layer : public Operation {
  public:
    Layer(int32_t channels, int32_t height, int32_t width, int32_t group, bool wide);
    void run(Context&) const override;

    void close();  // after the last term
    int64_t positions() const { return static_cast<int64_t>(height) * width; }
    const int32_t channels, height, width, group;
    const bool wide;
    std::vector<Block> blocks;  // at most 64 channels each, all within one group
    std::vector<std::unique_ptr<Term>> terms;
    std::vector<uint32_t> correction;  // what codes that are not levels add to the sums, per channel
    std::unique_ptr<Neuron> neuron;

  private:
    // Places are those of all maps, one map's behind the other's.
    void run_places(Context&, const Block&, int64_t from, int64_t to) const;
    void run_together(Context&) const;
    void run_strip(Context&, const Strip&, const Block&) const;
    Strip strip_at(int64_t from, int64_t to) const;
    void run_wide(Context&, const Block&, int64_t from, int64_t to) const;
    int64_t products_ = 0;  // of one position
};

// First byte (times `unit` per pixel) that each output position reads, checked against the map.
std::vector<int32_t> windows(const Geometry&, const Layer&, int32_t unit, int32_t reach_y, int32_t reach_x,
                             int32_t stride_y, int32_t stride_x, int32_t pad_y, int32_t pad_x);

// Terms (terms.cpp, scales.cpp). All check that no position reads outside the source's map; whether a convolution's shape
// fits its source is checked first.
void check_conv(const Geometry&, const ConvShape&, const Layer&);
std::unique_ptr<Term> make_conv(const Kernels&, const Geometry&, int source, const ConvShape&, const int8_t* weights,
                                int32_t multiplier, Layer&);
std::unique_ptr<Term> make_scale(const Geometry&, int source, const int32_t* weights, int32_t multiplier, Layer&);
std::unique_ptr<Term> make_sum_pool(const Geometry&, int source, const PoolShape&, const int32_t* weights,
                                    const int32_t* factors, int32_t multiplier, Layer&);

// Where neurons write their codes.
struct Target {
    Wide levels;
    std::vector<int32_t> places;
};

// Values that may vary by border class: `classes[position]`, or none.
struct Classes {
    int32_t count;
    std::vector<int32_t> of;
    int32_t at(int32_t place) const { return of.empty() ? 0 : of[place]; }
};

// Neurons (neurons.cpp).
std::unique_ptr<Neuron> make_stairs(const Layer&, Target, Classes, const int64_t* theta, const int64_t* offsets,
                                    int32_t span);
std::unique_ptr<Neuron> make_table(const Layer&, Target, Classes, const int64_t* breakpoints, int32_t span,
                                   const float* slope, const float* start);
std::unique_ptr<Neuron> make_readout(const Layer&, Classes, const int64_t* offsets, int slot);

// Offset in bytes of every position of a map, in row-major order.
std::vector<int32_t> places_of(const Geometry&);

void require(bool holds, const char* what);

}  // namespace snncc
