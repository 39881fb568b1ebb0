// Values of levels 0 and 1 as bits: terms that read them, neurons that write them, and what lies between.
#pragma once

#include "layer.h"

namespace snncc {

// The map of a value's bits: channels are its bytes.
Geometry bit_geometry(const Geometry&);

std::unique_ptr<Operation> make_packing(const Geometry&, int codes, int bits);
std::unique_ptr<Operation> make_unpacking(const Geometry&, int bits, int codes);

// Whether a convolution of a value can read its bits.
bool reads_bits(const Kernels&, const Geometry&, const ConvShape&, const int8_t* weights, const Layer&);
std::unique_ptr<Term> make_bit_conv(const Geometry& bits, int source, const ConvShape&, const int8_t* weights,
                                    int32_t multiplier, const Layer&);

// Whether a layer's terms can let neurons of two levels fire as bits.
bool fires_bits(const Layer&);
std::unique_ptr<Neuron> make_bit_stairs(const Layer&, Target, Classes, const int64_t* theta, const int64_t* offsets);

}  // namespace snncc
