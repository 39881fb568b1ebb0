// The C interface: numbers and pointers in, -1 and a message where something does not fit.
#include "api.h"
#include "layer.h"
#include "program.h"
#include "stream.h"

using snncc::ConvShape;
using snncc::Geometry;
using snncc::PoolShape;
using snncc::Program;
using snncc::Wide;
using snncc::guarded;

// Goes up with every change of these functions or of their structures; library.py has the same number.
SNNCC_EXPORT int snncc_interface() { return 6; }

SNNCC_EXPORT const char* snncc_message() { return snncc::message.c_str(); }

SNNCC_EXPORT const char* snncc_kernels(const char* wanted) {
    const snncc::Kernels* found = snncc::find_kernels(wanted);
    return found ? found->name : "";
}

// Products of bytes in `rounds` rounds of the kernels' own instruction, in registers; 0 where there is no such loop.
SNNCC_EXPORT uint64_t snncc_peak(const char* kernels, int64_t rounds) {
    const snncc::Kernels* found = snncc::find_kernels(kernels);
    return found && found->peak ? found->peak(rounds) : 0;
}

// The same of bits.
SNNCC_EXPORT uint64_t snncc_bit_peak(const char* kernels, int64_t rounds) {
    const snncc::Kernels* found = snncc::find_kernels(kernels);
    return found && found->bit_peak ? found->bit_peak(rounds) : 0;
}

SNNCC_EXPORT Program* snncc_new(const char* kernels, int32_t maps) {
    Program* made = nullptr;
    guarded([&] {
        const snncc::Kernels* found = snncc::find_kernels(kernels);
        snncc::require(found != nullptr, "this processor lacks these instructions");
        made = new Program(*found, maps);
        return 0;
    });
    return made;
}

SNNCC_EXPORT void snncc_free(Program* program) { delete program; }

SNNCC_EXPORT int snncc_buffer(Program* program, const Geometry* geometry) {
    return guarded([&] { return program->add_buffer(*geometry); });
}

SNNCC_EXPORT int snncc_input(Program* program, int32_t buffer) {
    return guarded([&] { return program->add_input(buffer); });
}

SNNCC_EXPORT int snncc_export(Program* program, int32_t buffer) {
    return guarded([&] { return program->add_export(buffer); });
}

SNNCC_EXPORT int snncc_probe(Program* program, int32_t buffer, int32_t mode, const int64_t* fans, int32_t count) {
    return guarded([&] { return program->add_probe(buffer, mode, fans, count); });
}

SNNCC_EXPORT int snncc_copy(Program* program, const Wide* source, const Wide* destination, const int32_t* runs,
                            int64_t count, int32_t shift) {
    return guarded([&] { return program->add_copy(*source, *destination, runs, count, shift), 0; });
}

SNNCC_EXPORT int snncc_max_pool(Program* program, const Wide* source, const Wide* destination,
                                const PoolShape* shape) {
    return guarded([&] { return program->add_max_pool(*source, *destination, *shape), 0; });
}

SNNCC_EXPORT int snncc_begin_layer(Program* program, int32_t channels, int32_t height, int32_t width, int32_t group,
                                   int32_t wide) {
    return guarded([&] { return program->begin_layer(channels, height, width, group, wide != 0), 0; });
}

SNNCC_EXPORT int snncc_conv(Program* program, int32_t source, const ConvShape* shape, const int8_t* weights,
                            int32_t multiplier) {
    return guarded([&] { return program->add_conv(source, *shape, weights, multiplier), 0; });
}

SNNCC_EXPORT int snncc_scale(Program* program, int32_t source, const int32_t* weights, int32_t multiplier) {
    return guarded([&] { return program->add_scale(source, weights, multiplier), 0; });
}

SNNCC_EXPORT int snncc_sum_pool(Program* program, int32_t source, const PoolShape* shape, const int32_t* weights,
                                const int32_t* factors, int32_t multiplier) {
    return guarded([&] { return program->add_sum_pool(source, *shape, weights, factors, multiplier), 0; });
}

SNNCC_EXPORT int snncc_end_stairs(Program* program, const Wide* levels, const int64_t* theta, const int64_t* offsets,
                                  int32_t class_count, const int32_t* classes, int32_t span) {
    return guarded([&] { return program->end_stairs(*levels, theta, offsets, class_count, classes, span), 0; });
}

SNNCC_EXPORT int snncc_end_table(Program* program, const Wide* levels, const int64_t* breakpoints,
                                 int32_t class_count, const int32_t* classes, int32_t span, const float* slope,
                                 const float* start) {
    return guarded(
        [&] { return program->end_table(*levels, breakpoints, class_count, classes, span, slope, start), 0; });
}

SNNCC_EXPORT int snncc_end_readout(Program* program, const int64_t* offsets, int32_t class_count,
                                   const int32_t* classes) {
    return guarded([&] { return program->end_readout(offsets, class_count, classes); });
}

SNNCC_EXPORT int snncc_lasting(Program* program, int32_t buffer) {
    return guarded([&] { return program->declare_lasting(buffer), 0; });
}

SNNCC_EXPORT int snncc_stream_input(Program* program, int32_t buffer) {
    return guarded([&] { return program->add_stream_input(buffer); });
}

SNNCC_EXPORT int snncc_stream_pool(Program* program, int32_t source, int32_t destination, const PoolShape* shape) {
    return guarded([&] { return program->add_stream_pool(source, destination, *shape), 0; });
}

SNNCC_EXPORT int snncc_end_rate(Program* program, int32_t levels, const int64_t* theta, const int64_t* offsets,
                                int32_t class_count, const int32_t* classes, int32_t with_negative, int32_t hard) {
    return guarded([&] {
        return program->end_rate(levels, theta, offsets, class_count, classes, with_negative != 0, hard != 0);
    });
}

SNNCC_EXPORT int snncc_end_leaky(Program* program, int32_t levels, const int64_t* offsets, int32_t class_count,
                                 const int32_t* classes, int32_t du, int32_t dv, int64_t vth) {
    return guarded([&] { return program->end_leaky(levels, offsets, class_count, classes, {du, dv, vth}); });
}

SNNCC_EXPORT int snncc_end_stbif(Program* program, int32_t levels, const int64_t* theta, const int64_t* start,
                                 int32_t class_count, const int32_t* classes, int32_t lo, int32_t hi) {
    return guarded([&] { return program->end_stbif(levels, theta, start, class_count, classes, lo, hi); });
}

SNNCC_EXPORT int snncc_end_stbif_table(Program* program, int32_t levels, const int64_t* breakpoints,
                                       int32_t class_count, const int32_t* classes, int32_t lo, int32_t span) {
    return guarded([&] { return program->end_stbif_table(levels, breakpoints, class_count, classes, lo, span); });
}

SNNCC_EXPORT int snncc_end_stream_readout(Program* program, const int64_t* offsets, int32_t class_count,
                                          const int32_t* classes, int32_t every_step, int32_t delay) {
    return guarded(
        [&] { return program->end_stream_readout(offsets, class_count, classes, every_step != 0, delay); });
}

SNNCC_EXPORT int snncc_run_stream(Program* program, const uint8_t* const* inputs, const int64_t* input_bytes,
                                  void* const* outputs, const int64_t* output_bytes, int64_t count, int64_t steps,
                                  int32_t until_silent, int64_t* taken, int32_t threads) {
    return guarded([&] {
        program->run_stream(inputs, input_bytes, outputs, output_bytes, count, steps, until_silent != 0, taken, threads);
        return 0;
    });
}

SNNCC_EXPORT int snncc_run(Program* program, const uint8_t* const* inputs, const int64_t* input_bytes,
                           void* const* outputs, const int64_t* output_bytes, int64_t count, int32_t threads) {
    return guarded([&] { return program->run(inputs, input_bytes, outputs, output_bytes, count, threads), 0; });
}
