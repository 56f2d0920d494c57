// Streams, events and graphs of the fake runtime.
#pragma once

#include "state.hpp"

#include <atomic>
#include <chrono>
#include <deque>
#include <thread>

namespace gpunet_fake {

using clock = std::chrono::steady_clock;

/// What an event has seen. Each record makes a ticket; a ticket is done when the stream has come so far.
struct event_state {
    int device = 0;
    bool timed = true;
    std::mutex lock;
    std::uint64_t ticket = 0; // of the last record
    std::weak_ptr<CUstream_st> source;
    std::atomic<std::uint64_t> done = 0;
    clock::time_point time;
    std::weak_ptr<struct capture> captured; // the capture it was recorded in, without being its node
    std::vector<std::size_t> after;         // nodes of the capture

    /// A new ticket, to be done by `stream`.
    std::uint64_t expect(const std::shared_ptr<CUstream_st>& stream);
    void complete(std::uint64_t which);
    /// Works the stream that `which` was recorded in off until it is done.
    void wait(std::uint64_t which, const std::weak_ptr<CUstream_st>& recorded_in);
};

struct operation {
    std::string what;
    std::function<void()> work;
};

} // namespace gpunet_fake

struct CUgraphNode_st {
    gpunet_fake::operation op;
    std::vector<std::size_t> after;
    std::shared_ptr<gpunet_fake::event_state> event; // of an external record, which has no work
};

struct CUgraph_st {
    std::vector<std::shared_ptr<CUgraphNode_st>> nodes; // in the order of capture
};

struct CUgraphExec_st {
    std::shared_ptr<const CUgraph_st> graph;
    int device = 0;
    std::shared_ptr<std::mutex> running = std::make_shared<std::mutex>();
};

struct CUevent_st {
    std::shared_ptr<gpunet_fake::event_state> state;
};

namespace gpunet_fake {

struct capture {
    CUgraph_st graph;
    cudaStream_t origin = nullptr;
    cudaStreamCaptureMode mode = cudaStreamCaptureModeGlobal;
    std::thread::id thread;
    std::atomic<bool> invalid = false;
    std::set<cudaStream_t> members;
};

} // namespace gpunet_fake

struct CUstream_st {
    int device = 0;
    std::recursive_mutex lock;
    std::deque<gpunet_fake::operation> queue;
    std::shared_ptr<gpunet_fake::capture> capturing;
    std::vector<std::size_t> after; // what the next captured node follows

    /// Works off until `enough`.
    void drain(const std::function<bool()>& enough);
};
