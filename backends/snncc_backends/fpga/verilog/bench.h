// Reading and writing the ports of a Verilated model, which are integers or arrays of 32-bit parts, and files.
#ifndef SNNCC_BENCH_H
#define SNNCC_BENCH_H
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <type_traits>
#include <vector>

namespace {

template <class T>
std::uint32_t chunk(const T& port, int index) {
  if constexpr (std::is_integral_v<T>) {
    return index < 2 ? static_cast<std::uint32_t>(static_cast<std::uint64_t>(port) >> (32 * index)) : 0u;
  } else {
    return port[index];
  }
}

template <class T>
void set_chunk(T& port, int index, std::uint32_t value) {
  if constexpr (std::is_integral_v<T>) {
    if (index < 2) port |= static_cast<T>(static_cast<std::uint64_t>(value) << (32 * index));
  } else {
    port[index] = value;
  }
}

template <class T>
void clear(T& port, int chunks) {
  if constexpr (std::is_integral_v<T>) {
    port = 0;
  } else {
    for (int i = 0; i < chunks; ++i) port[i] = 0;
  }
}

template <class T>
std::int64_t field(const T& port, int first, int bits, bool is_signed) {
  std::uint64_t value = chunk(port, first / 32) >> (first % 32);
  if (first % 32 + bits > 32) value |= static_cast<std::uint64_t>(chunk(port, first / 32 + 1)) << (32 - first % 32);
  if (first % 32 + bits > 64) value |= static_cast<std::uint64_t>(chunk(port, first / 32 + 2)) << (64 - first % 32);
  value &= (1ull << bits) - 1;
  const bool negative = is_signed && (value >> (bits - 1) & 1);
  return static_cast<std::int64_t>(value) - (negative ? (1ll << bits) : 0);
}

template <class T>
void set_field(T& port, int first, int bits, std::int64_t value) {
  const std::uint64_t kept = static_cast<std::uint64_t>(value) & ((1ull << bits) - 1);
  const std::uint64_t moved = kept << (first % 32);
  const int index = first / 32;
  set_chunk(port, index, chunk(port, index) | static_cast<std::uint32_t>(moved));
  if (moved >> 32) set_chunk(port, index + 1, chunk(port, index + 1) | static_cast<std::uint32_t>(moved >> 32));
}

std::vector<std::int32_t> read_all(const char* path) {
  std::vector<std::int32_t> values;
  std::FILE* file = std::fopen(path, "rb");
  if (file == nullptr) std::exit(2);
  std::int32_t value = 0;
  while (std::fread(&value, sizeof value, 1, file) == 1) values.push_back(value);
  std::fclose(file);
  return values;
}

}  // namespace

#endif
