// Threads that end with the call that started them: nothing spins, and a process may fork between calls.
#pragma once

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <exception>
#include <functional>
#include <mutex>
#include <system_error>
#include <thread>
#include <vector>

namespace snncc {

// Hands out items, and keeps the first error of any thread.
class Counter {
  public:
    explicit Counter(int64_t items) : items_(items) {}
    bool take(int64_t& item) { return !failed_ && (item = next_++) < items_; }
    void fail(std::exception_ptr error) {
        const std::lock_guard<std::mutex> lock(mutex_);
        if (!error_) error_ = error;
        failed_ = true;
    }
    void check() const {
        if (error_) std::rethrow_exception(error_);
    }

  private:
    const int64_t items_;
    std::atomic<int64_t> next_{0};
    std::atomic<bool> failed_{false};
    std::mutex mutex_;
    std::exception_ptr error_;
};

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

// Threads that share one job after another. Helpers start with the first job and sleep between jobs; one that wakes too
// late for a job does nothing of it.
class Team {
  public:
    explicit Team(int threads) : threads_(threads) {}
    ~Team();
    Team(const Team&) = delete;
    Team& operator=(const Team&) = delete;

    int threads() const { return threads_; }
    // Calls work(0) .. work(pieces - 1), which must not throw, each once and on any thread.
    void share(int64_t pieces, const std::function<void(int64_t)>& work);

  private:
    struct Job {
        Job(int64_t pieces_, const std::function<void(int64_t)>& work_) : pieces(pieces_), work(work_) {}
        void help() {
            for (int64_t piece; (piece = next++) < pieces;) work(piece);
        }
        const int64_t pieces;
        const std::function<void(int64_t)>& work;
        std::atomic<int64_t> next{0};
        int helpers = 0;  // at work
    };

    void start();
    void help();

    const int threads_;
    std::vector<std::thread> helpers_;
    std::mutex mutex_;
    std::condition_variable wake_, done_;
    Job* job_ = nullptr;
    int64_t jobs_ = 0;
    bool ended_ = false;
};

}  // namespace snncc
