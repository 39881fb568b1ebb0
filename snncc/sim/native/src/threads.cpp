#include "threads.h"

namespace snncc {

Team::~Team() {
    {
        const std::lock_guard<std::mutex> lock(mutex_);
        ended_ = true;
    }
    wake_.notify_all();
    for (auto& helper : helpers_) helper.join();
}

void Team::start() {
    try {
        while (static_cast<int>(helpers_.size()) + 1 < threads_) helpers_.emplace_back([this] { help(); });
    } catch (const std::system_error&) {  // no more threads are to be had: those that run do it all
    }
}

void Team::share(int64_t pieces, const std::function<void(int64_t)>& work) {
    if (helpers_.empty()) start();
    Job job(pieces, work);
    {
        const std::lock_guard<std::mutex> lock(mutex_);
        job_ = &job;
        ++jobs_;
    }
    wake_.notify_all();
    job.help();
    std::unique_lock<std::mutex> lock(mutex_);
    job_ = nullptr;
    done_.wait(lock, [&] { return job.helpers == 0; });
}

void Team::help() {
    std::unique_lock<std::mutex> lock(mutex_);
    for (int64_t seen = 0;;) {
        wake_.wait(lock, [&] { return ended_ || (job_ && jobs_ != seen); });
        if (ended_) return;
        seen = jobs_;
        Job& job = *job_;
        ++job.helpers;
        lock.unlock();
        job.help();
        lock.lock();
        if (--job.helpers == 0) done_.notify_one();
    }
}

}  // namespace snncc
