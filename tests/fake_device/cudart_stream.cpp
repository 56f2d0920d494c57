#include "stream.hpp"

#include <algorithm>
#include <numeric>
#include <random>

namespace gpunet_fake {

namespace {

std::vector<std::weak_ptr<capture>>& captures() {
    static auto* const all = new std::vector<std::weak_ptr<capture>>;
    return *all;
}

/// The live stream behind a handle; null where there is none.
std::shared_ptr<CUstream_st> resolve(cudaStream_t stream) {
    state& s = the();
    const std::scoped_lock hold(s.lock);
    if (stream == nullptr || stream == cudaStreamLegacy || stream == cudaStreamPerThread) {
        cudaStream_t& own = s.default_streams[current_device];
        if (!own) {
            auto made = std::make_shared<CUstream_st>();
            made->device = current_device;
            own = made.get();
            s.streams.emplace(own, std::move(made));
        }
        stream = own;
    }
    const auto found = s.streams.find(stream);
    return found == s.streams.end() ? nullptr : found->second;
}

cudaError_t no_device() {
    const std::scoped_lock hold(the().lock);
    return the().devices > 0 ? cudaSuccess : cudaErrorInsufficientDriver;
}

cudaError_t broken(int device) {
    const std::scoped_lock hold(the().lock);
    const auto found = the().broken.find(device);
    return found == the().broken.end() ? cudaSuccess : found->second;
}

cudaError_t bad_stream(const char* function) {
    return refuse_call(cudaErrorInvalidResourceHandle, std::string(function) + ": no such stream");
}

void perform(int device, const operation& op) {
    if (broken(device)) return;
    {
        const std::scoped_lock hold(the().lock);
        if (the().tracing) the().trace.push_back(op.what);
        if (op.what.starts_with("cudnn ")) ++the().seen.cudnn_graphs;
    }
    try {
        op.work();
    } catch (const std::exception& e) {
        const std::scoped_lock hold(the().lock);
        fault(std::string(e.what()).starts_with(op.what) ? e.what() : op.what + ": " + e.what());
        the().broken[device] = cudaErrorLaunchFailure;
    }
}

/// An order of the nodes that their dependencies allow.
std::vector<std::size_t> order_of(const CUgraph_st& graph) {
    std::vector<std::size_t> order(graph.nodes.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    const std::uint64_t seed = the().seed;
    if (seed == 0) return order;
    std::mt19937_64 random(seed);
    std::vector<bool> done(order.size());
    for (std::size_t i = 0; i < order.size(); ++i) {
        std::vector<std::size_t> ready;
        for (std::size_t n = 0; n < order.size(); ++n)
            if (!done[n] && std::all_of(graph.nodes[n]->after.begin(), graph.nodes[n]->after.end(),
                                        [&](std::size_t before) { return done[before]; }))
                ready.push_back(n);
        order[i] = ready[random() % ready.size()];
        done[order[i]] = true;
    }
    return order;
}

/// Adds a node after what the stream has captured so far.
void add_node(CUstream_st& stream, CUgraphNode_st node) {
    node.after = stream.after;
    stream.after = {stream.capturing->graph.nodes.size()};
    stream.capturing->graph.nodes.push_back(std::make_shared<CUgraphNode_st>(std::move(node)));
}

void leave(capture& c) {
    for (const cudaStream_t member : c.members) {
        member->capturing.reset();
        member->after.clear();
    }
}

} // namespace

std::uint64_t event_state::expect(const std::shared_ptr<CUstream_st>& stream) {
    const std::scoped_lock hold(lock);
    captured.reset();
    source = stream;
    return ++ticket;
}

void event_state::complete(std::uint64_t which) {
    const std::scoped_lock hold(lock);
    time = clock::now();
    done = std::max<std::uint64_t>(done, which);
}

void event_state::wait(std::uint64_t which, const std::weak_ptr<CUstream_st>& recorded_in) {
    if (done >= which) return;
    if (const auto from = recorded_in.lock()) from->drain([&] { return done >= which; });
}

std::optional<int> stream_device(cudaStream_t stream) {
    const auto found = resolve(stream);
    return found ? std::optional(found->device) : std::nullopt;
}

namespace {

thread_local cudaStreamCaptureMode interaction = cudaStreamCaptureModeGlobal;

template <class Predicate>
bool invalidate(const char* function, Predicate&& concerned) {
    const std::scoped_lock hold(the().lock);
    bool any = false;
    for (const auto& weak : captures())
        if (const auto c = weak.lock(); c && concerned(*c)) c->invalid = any = true;
    if (any) fault(std::string(function) + " while a stream is capturing");
    return any;
}

} // namespace

bool unsafe_in_capture(const char* function) {
    return invalidate(function, [](const capture& c) {
        if (c.thread == std::this_thread::get_id())
            return c.mode != cudaStreamCaptureModeRelaxed && interaction != cudaStreamCaptureModeRelaxed;
        return c.mode == cudaStreamCaptureModeGlobal && interaction == cudaStreamCaptureModeGlobal;
    });
}

bool spoils_capture(const char* function) {
    return invalidate(function, [](const capture& c) { return c.origin->device == current_device; });
}

cudaError_t enqueue(cudaStream_t handle, std::string what, std::function<void()> work) {
    if (const cudaError_t none = no_device()) return result(none);
    const auto stream = resolve(handle);
    if (!stream) return bad_stream(what.c_str());
    if (const cudaError_t status = broken(stream->device)) return result(status);
    const std::scoped_lock hold(stream->lock);
    if (stream->capturing) {
        if (stream->capturing->invalid) return result(cudaErrorStreamCaptureInvalidated);
        add_node(*stream, {{std::move(what), std::move(work)}, {}, nullptr});
        return cudaSuccess;
    }
    stream->queue.push_back({std::move(what), std::move(work)});
    if (the().mode == execution::eager) {
        stream->drain([] { return false; });
        return result(broken(stream->device));
    }
    return cudaSuccess;
}

void synchronize_device(int device) {
    std::vector<std::shared_ptr<CUstream_st>> all;
    {
        const std::scoped_lock hold(the().lock);
        for (const auto& [handle, s] : the().streams)
            if (s->device == device) all.push_back(s);
    }
    for (const auto& s : all) s->drain([] { return false; });
}

} // namespace gpunet_fake

using namespace gpunet_fake;

void CUstream_st::drain(const std::function<bool()>& enough) {
    const std::scoped_lock hold(lock);
    while (!queue.empty() && !enough()) {
        const operation next = std::move(queue.front());
        queue.pop_front();
        perform(device, next);
    }
}

extern "C" cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned) {
    GPUNET_FAKE_ENTER(cudaStreamCreateWithFlags);
    if (const cudaError_t none = no_device()) return result(none);
    auto made = std::make_shared<CUstream_st>();
    made->device = current_device;
    *stream = made.get();
    const std::scoped_lock hold(the().lock);
    the().streams.emplace(*stream, std::move(made));
    alive("cudaStream", 1);
    return cudaSuccess;
}

extern "C" cudaError_t cudaStreamDestroy(cudaStream_t handle) {
    GPUNET_FAKE_ENTER(cudaStreamDestroy);
    const auto stream = handle ? resolve(handle) : nullptr;
    if (stream.get() != handle || !handle) return bad_stream("cudaStreamDestroy");
    {
        const std::scoped_lock hold(stream->lock);
        if (stream->capturing) {
            fault("cudaStreamDestroy of a stream that is capturing");
            stream->capturing->members.erase(handle);
        }
    }
    stream->drain([] { return false; });
    const std::scoped_lock hold(the().lock);
    the().streams.erase(handle);
    alive("cudaStream", -1);
    return cudaSuccess;
}

extern "C" cudaError_t cudaStreamSynchronize(cudaStream_t handle) {
    GPUNET_FAKE_ENTER(cudaStreamSynchronize);
    if (const cudaError_t none = no_device()) return result(none);
    const auto stream = resolve(handle);
    if (!stream) return bad_stream("cudaStreamSynchronize");
    if (stream->capturing) {
        stream->capturing->invalid = true;
        return refuse_call(cudaErrorStreamCaptureUnsupported, "cudaStreamSynchronize of a stream that is capturing");
    }
    stream->drain([] { return false; });
    return result(broken(stream->device));
}

extern "C" cudaError_t cudaStreamIsCapturing(cudaStream_t handle, cudaStreamCaptureStatus* status) {
    GPUNET_FAKE_ENTER(cudaStreamIsCapturing);
    if (const cudaError_t none = no_device()) return result(none);
    const auto stream = resolve(handle);
    if (!stream) return bad_stream("cudaStreamIsCapturing");
    const std::scoped_lock hold(stream->lock);
    *status = !stream->capturing           ? cudaStreamCaptureStatusNone
              : stream->capturing->invalid ? cudaStreamCaptureStatusInvalidated
                                           : cudaStreamCaptureStatusActive;
    return cudaSuccess;
}

extern "C" cudaError_t cudaThreadExchangeStreamCaptureMode(cudaStreamCaptureMode* mode) {
    GPUNET_FAKE_ENTER(cudaThreadExchangeStreamCaptureMode);
    std::swap(*mode, interaction);
    return cudaSuccess;
}

extern "C" cudaError_t cudaStreamBeginCapture(cudaStream_t handle, cudaStreamCaptureMode mode) {
    GPUNET_FAKE_ENTER(cudaStreamBeginCapture);
    if (const cudaError_t none = no_device()) return result(none);
    const auto stream = resolve(handle);
    if (!stream) return bad_stream("cudaStreamBeginCapture");
    if (handle == nullptr || handle == cudaStreamLegacy) return result(cudaErrorStreamCaptureUnsupported);
    const std::scoped_lock hold(stream->lock);
    if (stream->capturing) return refuse_call(cudaErrorIllegalState, "cudaStreamBeginCapture: the stream is capturing");
    auto c = std::make_shared<capture>();
    c->origin = stream.get();
    c->mode = mode;
    c->thread = std::this_thread::get_id();
    c->members = {stream.get()};
    const std::scoped_lock hold_all(the().lock);
    std::erase_if(captures(), [](const auto& weak) { return weak.expired(); });
    captures().push_back(c);
    stream->capturing = std::move(c);
    stream->after.clear();
    return cudaSuccess;
}

extern "C" cudaError_t cudaStreamEndCapture(cudaStream_t handle, cudaGraph_t* graph) {
    *graph = nullptr;
    const auto injected_status = called("cudaStreamEndCapture");
    const auto stream = resolve(handle);
    if (!stream) return bad_stream("cudaStreamEndCapture");
    const std::scoped_lock hold(stream->lock);
    const std::shared_ptr<capture> c = stream->capturing;
    if (!c) return refuse_call(cudaErrorIllegalState, "cudaStreamEndCapture: the stream is not capturing");
    if (c->origin != stream.get())
        return refuse_call(cudaErrorStreamCaptureUnmatched, "cudaStreamEndCapture: of a joined stream");
    if (c->mode != cudaStreamCaptureModeRelaxed && c->thread != std::this_thread::get_id())
        return refuse_call(cudaErrorStreamCaptureWrongThread, "cudaStreamEndCapture: on another thread");
    std::vector<bool> joined(c->graph.nodes.size());
    std::vector<std::size_t> open = stream->after;
    while (!open.empty()) {
        const std::size_t n = open.back();
        open.pop_back();
        if (joined[n]) continue;
        joined[n] = true;
        open.insert(open.end(), c->graph.nodes[n]->after.begin(), c->graph.nodes[n]->after.end());
    }
    leave(*c);
    {
        const std::scoped_lock hold_all(the().lock);
        std::erase_if(captures(), [&](const auto& weak) { return weak.lock() == c; });
    }
    if (injected_status) return result(static_cast<cudaError_t>(*injected_status));
    if (c->invalid) return result(cudaErrorStreamCaptureInvalidated);
    if (std::find(joined.begin(), joined.end(), false) != joined.end())
        return refuse_call(cudaErrorStreamCaptureUnjoined, "cudaStreamEndCapture: a forked stream was not joined");
    *graph = new CUgraph_st(std::move(c->graph));
    alive("cudaGraph", 1);
    return cudaSuccess;
}

extern "C" cudaError_t cudaStreamWaitEvent(cudaStream_t handle, cudaEvent_t event, unsigned flags) {
    GPUNET_FAKE_ENTER(cudaStreamWaitEvent);
    if (const cudaError_t none = no_device()) return result(none);
    const auto stream = resolve(handle);
    if (!stream) return bad_stream("cudaStreamWaitEvent");
    const auto e = event->state;
    if (const auto c = e->captured.lock()) {
        const std::scoped_lock hold(stream->lock);
        if (stream->capturing && stream->capturing != c) {
            stream->capturing->invalid = c->invalid = true;
            return refuse_call(cudaErrorStreamCaptureMerge, "cudaStreamWaitEvent: of another capture");
        }
        stream->capturing = c;
        c->members.insert(stream.get());
        for (const std::size_t n : e->after)
            if (std::find(stream->after.begin(), stream->after.end(), n) == stream->after.end())
                stream->after.push_back(n);
        return cudaSuccess;
    }
    if (stream->capturing && flags != cudaEventWaitExternal) {
        stream->capturing->invalid = true;
        return refuse_call(cudaErrorStreamCaptureIsolation, "cudaStreamWaitEvent: of an event outside the capture");
    }
    std::uint64_t ticket = 0;
    std::weak_ptr<CUstream_st> source; // as they are now: the event may be recorded again
    {
        const std::scoped_lock hold(e->lock);
        ticket = e->ticket;
        source = e->source;
    }
    return enqueue(handle, "wait", [e, ticket, source] { e->wait(ticket, source); });
}

extern "C" cudaError_t cudaGraphInstantiate(cudaGraphExec_t* executable, cudaGraph_t graph, unsigned long long) {
    GPUNET_FAKE_ENTER(cudaGraphInstantiate);
    if (!graph) return refuse_call(cudaErrorInvalidValue, "cudaGraphInstantiate: no graph");
    auto copy = std::make_shared<CUgraph_st>(*graph);
    *executable = new CUgraphExec_st{std::move(copy), current_device};
    alive("cudaGraphExec", 1);
    return cudaSuccess;
}

extern "C" cudaError_t cudaGraphGetNodes(cudaGraph_t graph, cudaGraphNode_t* nodes, std::size_t* count) {
    GPUNET_FAKE_ENTER(cudaGraphGetNodes);
    if (nodes)
        for (std::size_t i = 0; i < *count; ++i) nodes[i] = i < graph->nodes.size() ? graph->nodes[i].get() : nullptr;
    *count = graph->nodes.size();
    return cudaSuccess;
}

extern "C" cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
    GPUNET_FAKE_ENTER(cudaGraphDestroy);
    delete graph;
    alive("cudaGraph", -1);
    return cudaSuccess;
}

extern "C" cudaError_t cudaGraphUpload(cudaGraphExec_t executable, cudaStream_t handle) {
    GPUNET_FAKE_ENTER(cudaGraphUpload);
    const auto stream = resolve(handle);
    if (!stream) return bad_stream("cudaGraphUpload");
    if (stream->device != executable->device || stream->capturing)
        return refuse_call(cudaErrorInvalidValue, "cudaGraphUpload: to a stream of another device, or one captured");
    return cudaSuccess;
}

extern "C" cudaError_t cudaGraphExecDestroy(cudaGraphExec_t executable) {
    GPUNET_FAKE_ENTER(cudaGraphExecDestroy);
    delete executable;
    alive("cudaGraphExec", -1);
    return cudaSuccess;
}

extern "C" cudaError_t cudaGraphLaunch(cudaGraphExec_t executable, cudaStream_t handle) {
    GPUNET_FAKE_ENTER(cudaGraphLaunch);
    const auto stream = resolve(handle);
    if (!stream) return bad_stream("cudaGraphLaunch");
    if (stream->device != executable->device)
        return refuse_call(cudaErrorInvalidValue, "cudaGraphLaunch: graph of device " +
                                                      std::to_string(executable->device) + " on a stream of device " +
                                                      std::to_string(stream->device));
    std::map<std::size_t, std::uint64_t> tickets; // of the graph's event nodes
    const auto graph = executable->graph;
    if (!stream->capturing)
        for (std::size_t n = 0; n < graph->nodes.size(); ++n)
            if (const auto& e = graph->nodes[n]->event) tickets[n] = e->expect(stream);
    {
        const std::scoped_lock hold(the().lock);
        ++the().seen.graph_launches;
    }
    const int device = stream->device;
    return enqueue(handle, "graph", [graph, device, tickets, one_at_a_time = executable->running] {
        const std::scoped_lock hold(*one_at_a_time);
        for (const std::size_t n : order_of(*graph)) {
            const CUgraphNode_st& node = *graph->nodes[n];
            const auto ticket = tickets.find(n);
            if (ticket != tickets.end())
                node.event->complete(ticket->second);
            else if (node.op.work)
                perform(device, node.op);
        }
    });
}

extern "C" cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned flags) {
    GPUNET_FAKE_ENTER(cudaEventCreateWithFlags);
    if (const cudaError_t none = no_device()) return result(none);
    *event = new CUevent_st{std::make_shared<event_state>()};
    (*event)->state->device = current_device;
    (*event)->state->timed = (flags & cudaEventDisableTiming) == 0;
    alive("cudaEvent", 1);
    return cudaSuccess;
}

extern "C" cudaError_t cudaEventDestroy(cudaEvent_t event) {
    GPUNET_FAKE_ENTER(cudaEventDestroy);
    delete event;
    alive("cudaEvent", -1);
    return cudaSuccess;
}

extern "C" cudaError_t cudaEventRecordWithFlags(cudaEvent_t event, cudaStream_t handle, unsigned flags) {
    GPUNET_FAKE_ENTER(cudaEventRecordWithFlags);
    const auto stream = resolve(handle);
    if (!stream) return bad_stream("cudaEventRecordWithFlags");
    const auto e = event->state;
    if (e->device != stream->device)
        return refuse_call(cudaErrorInvalidResourceHandle, "cudaEventRecordWithFlags: event of device " +
                                                               std::to_string(e->device) + " on a stream of device " +
                                                               std::to_string(stream->device));
    const std::scoped_lock hold(stream->lock);
    if (stream->capturing) {
        if (stream->capturing->invalid) return result(cudaErrorStreamCaptureInvalidated);
        if (flags == cudaEventRecordExternal) {
            add_node(*stream, {{"event", {}}, {}, e});
        } else {
            const std::scoped_lock hold_event(e->lock);
            e->captured = stream->capturing;
            e->after = stream->after;
        }
        return cudaSuccess;
    }
    if (flags == cudaEventRecordExternal)
        return refuse_call(cudaErrorIllegalState,
                           "cudaEventRecordWithFlags: external, and the stream is not capturing");
    return enqueue(handle, "event", [e, ticket = e->expect(stream)] { e->complete(ticket); });
}

extern "C" cudaError_t cudaEventSynchronize(cudaEvent_t event) {
    GPUNET_FAKE_ENTER(cudaEventSynchronize);
    const auto e = event->state;
    if (e->captured.lock()) return refuse_call(cudaErrorCapturedEvent, "cudaEventSynchronize of a captured event");
    std::uint64_t ticket = 0;
    std::weak_ptr<CUstream_st> source;
    {
        const std::scoped_lock hold(e->lock);
        ticket = e->ticket;
        source = e->source;
    }
    e->wait(ticket, source);
    return result(broken(e->device));
}

extern "C" cudaError_t cudaEventElapsedTime(float* milliseconds, cudaEvent_t start, cudaEvent_t end) {
    GPUNET_FAKE_ENTER(cudaEventElapsedTime);
    const std::scoped_lock hold(start->state->lock);
    const std::unique_lock other =
        start->state == end->state ? std::unique_lock<std::mutex>() : std::unique_lock(end->state->lock);
    for (const event_state* e : {start->state.get(), end->state.get()}) {
        if (!e->timed || e->ticket == 0) return result(cudaErrorInvalidResourceHandle);
        if (e->done < e->ticket) return result(cudaErrorNotReady);
    }
    *milliseconds = std::chrono::duration<float, std::milli>(end->state->time - start->state->time).count();
    return cudaSuccess;
}
