// What the functions of the C interface share: they never throw, and keep what was wrong for the next call.
#pragma once

#include <exception>
#include <string>

#if defined(_WIN32)
#define SNNCC_EXPORT extern "C" __declspec(dllexport)
#else
#define SNNCC_EXPORT extern "C" __attribute__((visibility("default")))
#endif

namespace snncc {

inline thread_local std::string message;

template <class Action>
int guarded(Action action) {
    try {
        return action();
    } catch (const std::exception& error) {
        message = error.what();
    } catch (...) {
        message = "an unknown error";
    }
    return -1;
}

}  // namespace snncc
