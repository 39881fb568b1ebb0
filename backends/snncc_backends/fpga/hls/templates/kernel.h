// The level core as an HLS kernel: types, and the function that runs the tables of one network on one image.
//
// docs/fpga.md says what the tables mean; names here are those of its sections 3 to 5. Plain integers by
// default, each of the next width that C++ has; with SNNCC_USE_AP_INT of the exact width that the certificate
// proves to be enough, which is what synthesis should see. Both give the same numbers.
#ifndef SNNCC_KERNEL_H
#define SNNCC_KERNEL_H

#include <cstdint>
#include <type_traits>

#include "ports.h"
#include "tables.h"

#ifdef SNNCC_USE_AP_INT
#include <ap_int.h>
#endif

namespace snncc {

#ifdef SNNCC_USE_AP_INT
template <int BITS>
using Signed = ap_int<BITS>;
template <int BITS>
using Unsigned = ap_uint<BITS>;
#else
template <int BITS>
using Signed = std::conditional_t<
    (BITS > 32), std::int64_t,
    std::conditional_t<(BITS > 16), std::int32_t, std::conditional_t<(BITS > 8), std::int16_t, std::int8_t>>>;
template <int BITS>
using Unsigned = std::make_unsigned_t<Signed<BITS>>;
#endif

constexpr int WORD = 8;  // levels of a word, lanes of a group
constexpr int GROUPS = P / WORD;

using Level = std::conditional_t<(SIGNED != 0), Signed<LB>, Unsigned<LB>>;
using Potential = Signed<VB>;
using Weight = Signed<(WB > 1 ? WB : 2)>;  // a single bit stands for -1 and +1
using Product = Signed<LB + WB + 2>;
using Comparand = Signed<(TB + STEPS > BB ? TB + STEPS : BB) + 2>;
using Output = std::conditional_t<(VB > 32), std::int64_t, std::int32_t>;

using Maps = Level[GROUPS][MAP_WORDS][WORD];
using Results = Potential[RESULT_WORDS][GROUPS];

#ifdef SNNCC_TRACE
// Told of every word that is written, in order: docs/fpga.md, section 6, without the cycles.
void trace_levels(int bank, int address, const Level *levels);
void trace_result(int word, const Potential *values);
#endif

}  // namespace snncc

// The whole network: levels of the inputs one after another, each channels, rows, columns; out come the outputs,
// readouts as potentials, in the order of `outputs`.
extern "C" void snncc_kernel(const std::int16_t image[snncc::IMAGE], snncc::Output output[snncc::OUTPUTS]);

#endif
