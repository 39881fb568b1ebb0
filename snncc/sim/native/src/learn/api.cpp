// The C interface of learning networks.
#include "../api.h"

#include "../layer.h"
#include "network.h"

using snncc::guarded;
using snncc::learn::Batch;
using snncc::learn::Network;
using snncc::learn::Neurons;
using snncc::learn::Readout;
using snncc::learn::Shape;

SNNCC_EXPORT Network* snncc_learner_new(const char* kernels, int32_t steps, int32_t inputs, int32_t rates) {
    Network* made = nullptr;
    guarded([&] { return made = new Network(snncc::learn::kernels_of(kernels), steps, inputs, rates != 0), 0; });
    return made;
}

SNNCC_EXPORT void snncc_learner_free(Network* network) { delete network; }

SNNCC_EXPORT int snncc_learner_layer(Network* network, const Shape* shape, const Neurons* neurons, int32_t readout) {
    return guarded([&] {
        snncc::require(readout >= 0 && readout <= 3, "there is no such readout");
        return network->add(*shape, *neurons, static_cast<Readout>(readout)), 0;
    });
}

SNNCC_EXPORT int snncc_learner_run(Network* network, const Batch* batch, int32_t threads) {
    return guarded([&] { return network->run(*batch, threads), 0; });
}

SNNCC_EXPORT int snncc_adam(const char* kernels, float* weights, float* first, float* second, const float* gradient,
                            int64_t count, const snncc::learn::AdamStep* step) {
    return guarded([&] {
        snncc::learn::kernels_of(kernels).adam(weights, first, second, gradient, count, *step);
        return 0;
    });
}
