// Streaming codes: the maps are the steps of one image, run in chunks; map 0 is the last step of the chunk before.
#pragma once

#include "layer.h"

namespace snncc {

// Neurons that step: `advance` takes the sums of one position in consecutive maps, [count][BLOCK].
class Stepping {
  public:
    virtual ~Stepping() = default;
    virtual void start(Context&) const = 0;
    virtual void advance(Context&, int map, int count, int32_t place, const Block&, const uint32_t* sums) const = 0;
    virtual void finish(Context&) const {}
};

// A layer whose neurons step. `delay` 0: they read the maps of their own step, 1: those of the step before.
class StreamLayer : public Operation {
  public:
    StreamLayer(std::unique_ptr<Layer> layer, std::vector<std::unique_ptr<Term>> lasting, int delay,
                std::unique_ptr<Stepping> neurons);
    void run(Context&) const override;
    void finish(Context&) const override;

  private:
    void arriving_always(Context&, const Block&, int32_t place, uint32_t* constant) const;
    void step(Context&, const Block&, int map, int count, int32_t place, const uint32_t* constant) const;
    const std::unique_ptr<Layer> layer_;
    const std::vector<std::unique_ptr<Term>> lasting_;  // their sources are the same in every step: map 1
    const int delay_;
    const std::unique_ptr<Stepping> neurons_;
};

struct StreamTarget {
    int buffer;
    std::vector<int32_t> places;
    int state;  // v, then the spikes' sums: [2][positions][blocks * BLOCK]
    int slot;   // where those sums go at an image's end
};

std::unique_ptr<Stepping> make_rate(const Layer&, StreamTarget, Classes, const int64_t* theta, const int64_t* offsets,
                                    bool with_negative, bool hard);
std::unique_ptr<Stepping> make_stbif(const Layer&, StreamTarget, Classes, const int64_t* theta, const int64_t* start,
                                     int32_t lo, int32_t hi);
std::unique_ptr<Stepping> make_stbif_table(const Layer&, StreamTarget, Classes, const int64_t* breakpoints, int32_t lo,
                                           int32_t span);
// The drive after every step; `every_step`: biases are added in each, else once.
std::unique_ptr<Stepping> make_stream_readout(const Layer&, Classes, const int64_t* offsets, bool every_step, int state,
                                              int slot);

// An image's codes: in map 1 of every chunk if `lasting`, else in step 0 alone, with silence after it.
std::unique_ptr<Operation> make_stream_input(const Geometry&, int buffer, int slot, bool lasting);

// The greatest running sum of each window, minus what the pool has sent.
std::unique_ptr<Operation> make_stream_pool(const Geometry& from, const Geometry& to, int source, int destination,
                                            const PoolShape&, int state);
int64_t stream_pool_state(const Geometry& from, const Geometry& to);

}  // namespace snncc
