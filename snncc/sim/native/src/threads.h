// Work that is handed out to threads.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <exception>
#include <mutex>
#include <system_error>
#include <thread>
#include <vector>

namespace snncc {

// Hands out pieces of work, and keeps the first error of any thread.
class Counter {
  public:
    explicit Counter(int64_t groups) : groups_(groups) {}
    bool take(int64_t& group) { return !failed_ && (group = next_++) < groups_; }
    void fail(std::exception_ptr error) {
        const std::lock_guard<std::mutex> lock(mutex_);
        if (!error_) error_ = error;
        failed_ = true;
    }
    void check() const {
        if (error_) std::rethrow_exception(error_);
    }

  private:
    const int64_t groups_;
    std::atomic<int64_t> next_{0};
    std::atomic<bool> failed_{false};
    std::mutex mutex_;
    std::exception_ptr error_;
};

// The helpers end with the call: nothing waits for work, nothing spins.
template <class Work>
void in_parallel(int64_t items, int threads, Work work) {
    Counter next(items);
    std::vector<std::thread> helpers;
    try {
        for (int64_t i = 1; i < std::min<int64_t>(threads, items); ++i) helpers.emplace_back([&] { work(next); });
    } catch (const std::system_error&) {  // no more threads are to be had: those that run do it all
    }
    work(next);
    for (auto& helper : helpers) helper.join();
    next.check();
}

}  // namespace snncc
