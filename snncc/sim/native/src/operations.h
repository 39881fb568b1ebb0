#pragma once

#include "program.h"

namespace snncc {

// Between a buffer and the caller's arrays: in, or out.
std::unique_ptr<Operation> make_transfer(const Geometry&, int buffer, int slot, bool in);

// Runs of bytes (to, from, length); `shift` is added to every code.
std::unique_ptr<Operation> make_copy(const Geometry& from, const Geometry& to, Wide source, Wide destination,
                                     const int32_t* runs, int64_t count, int32_t shift);

std::unique_ptr<Operation> make_max_pool(const Geometry& from, const Geometry& to, Wide source, Wide destination,
                                         const PoolShape&);

// The same on bits.
std::unique_ptr<Operation> make_bit_pool(const Geometry& from, const Geometry& to, int source, int destination,
                                         const PoolShape&);

std::unique_ptr<Operation> make_probe(const Geometry&, int buffer, int slot, int mode, const int64_t* fans,
                                      int fan_count);

}  // namespace snncc
