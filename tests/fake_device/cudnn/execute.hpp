// Running a plan: everything a caller can get wrong is checked, then the work goes into the handle's stream.
#pragma once

#include "finalize.hpp"
#include "interpreter.hpp"

namespace gpunet_fake::cudnn {

inline bool overlap(const void* a, std::size_t a_bytes, const void* b, std::size_t b_bytes) {
    const auto x = reinterpret_cast<std::uintptr_t>(a), y = reinterpret_cast<std::uintptr_t>(b);
    return x < y + b_bytes && y < x + a_bytes;
}

inline void execute(const handle_state& h, const plan& p, const body& pack) {
    const bridge& b = *find_bridge(); // there is a handle, hence a device
    const graph& g = *p.config.of;
    const std::string what = "cudnn " + describe(g);
    const std::string planned = describe(p.config);
    const auto wrong = [&](bool holds, cudnnStatus_t status, const std::string& why) {
        if (!holds) b.fault(what + ": " + why);
        need(holds, status, why);
    };
    need(!b.refused("execution", planned), CUDNN_STATUS_EXECUTION_FAILED, "a test refuses " + planned);
    wrong(p.version == b.capability(h.device) * 10, CUDNN_STATUS_NOT_SUPPORTED_ARCH_MISMATCH,
          "a plan of another device");
    wrong(b.current_device() == h.device, CUDNN_STATUS_BAD_PARAM,
          "handle of device " + std::to_string(h.device) + " while device " + std::to_string(b.current_device()) +
              " is current");
    wrong(b.stream_device(h.stream) == h.device, CUDNN_STATUS_BAD_PARAM_STREAM_MISMATCH,
          "the handle's stream is of another device, or gone");

    std::map<std::int64_t, void*> bound;
    const auto uids = pack.all<std::int64_t>(CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS);
    const auto pointers = pack.all<void*>(CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS);
    for (std::size_t i = 0; i < uids.size(); ++i)
        wrong(bound.emplace(uids[i], pointers[i]).second, CUDNN_STATUS_BAD_PARAM_DUPLICATED_ENTRIES,
              "two tensors " + std::to_string(uids[i]));

    auto constants = std::make_shared<std::map<std::int64_t, float>>(); // by value: read now
    std::vector<std::tuple<const void*, std::size_t, std::string>> ranges;
    for (const auto& [uid, t] : g.tensors) {
        if (t.is_virtual) continue;
        const std::string name = "tensor " + std::to_string(uid);
        const auto found = bound.find(uid);
        wrong(found != bound.end() && found->second != nullptr, CUDNN_STATUS_BAD_PARAM_NULL_POINTER,
              name + " is not bound");
        if (t.by_value) {
            wrong(!b.is_device_memory(found->second), CUDNN_STATUS_BAD_PARAM,
                  name + " is by value, and device memory was given");
            (*constants)[uid] = load(t, found->second).numbers[0];
            continue;
        }
        wrong(reinterpret_cast<std::uintptr_t>(found->second) % static_cast<std::uintptr_t>(t.alignment) == 0,
              CUDNN_STATUS_BAD_PARAM_MISALIGNED_POINTER,
              name + " is not aligned to " + std::to_string(t.alignment) + " bytes");
        const std::string problem = b.memory_problem(found->second, extent(t), h.device);
        wrong(problem.empty(), CUDNN_STATUS_EXECUTION_FAILED, name + ": " + problem);
        ranges.emplace_back(found->second, extent(t), name);
    }
    for (const operation& o : g.operations) {
        const tensor& y = g.at(o.y);
        if (y.is_virtual) continue;
        for (const auto& [uid, t] : g.tensors) {
            if (uid == o.y || t.is_virtual || t.by_value || !overlap(bound[o.y], extent(y), bound[uid], extent(t)))
                continue;
            bool added = false; // elementwise, at the same place
            for (const operation& other : g.operations)
                added = added || (other.what == kind::pointwise && t.dims == y.dims && t.strides == y.strides &&
                                  t.type == y.type && (other.b == uid || other.x == uid) && bound[uid] == bound[o.y]);
            for (const operation& other : g.operations)
                if (other.what != kind::pointwise && (other.x == uid || other.b == uid)) added = false;
            wrong(added && b.in_place_residual(), CUDNN_STATUS_BAD_PARAM,
                  "the result " + std::to_string(o.y) + " lies over tensor " + std::to_string(uid));
        }
    }
    void* const workspace = pack.find<void*>(CUDNN_ATTR_VARIANT_PACK_WORKSPACE).value_or(nullptr);
    const auto workspace_bytes = static_cast<std::size_t>(p.workspace);
    if (workspace_bytes > 0) {
        wrong(workspace != nullptr, CUDNN_STATUS_BAD_PARAM_NULL_POINTER,
              "no workspace, " + std::to_string(workspace_bytes) + " bytes are needed");
        wrong(reinterpret_cast<std::uintptr_t>(workspace) % 16 == 0, CUDNN_STATUS_BAD_PARAM_MISALIGNED_POINTER,
              "a misaligned workspace");
        const std::string problem = b.memory_problem(workspace, workspace_bytes, h.device);
        wrong(problem.empty(), CUDNN_STATUS_EXECUTION_FAILED, "workspace: " + problem);
        for (const auto& [start, bytes, name] : ranges)
            wrong(!overlap(start, bytes, workspace, workspace_bytes), CUDNN_STATUS_BAD_PARAM,
                  "the workspace lies over " + name);
        ranges.emplace_back(workspace, workspace_bytes, "workspace");
    }
    const bool tf32 = engine_of(p.config.engine).tensor_cores();
    const cudaError_t status = b.enqueue(h.stream, what, [=, of = p.config.of, device = h.device] {
        for (const auto& [start, bytes, name] : ranges) // once more: it may have been freed since
            if (const std::string problem = find_bridge()->memory_problem(start, bytes, device); !problem.empty())
                throw std::runtime_error(what + ": " + name + ": " + problem);
        if (workspace_bytes > 0) std::memset(workspace, 0xFF, workspace_bytes); // an engine writes there
        std::map<std::int64_t, void*> memory = bound;
        for (auto& [uid, number] : *constants) memory[uid] = &number;
        run(*of, memory, tf32);
    });
    need(status == cudaSuccess, CUDNN_STATUS_EXECUTION_FAILED_CUDART,
         "the stream refuses work: " + std::to_string(status));
}

} // namespace gpunet_fake::cudnn
