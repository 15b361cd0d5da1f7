// The parts of torch's c10d that distributed training needs, as C functions.
//
// Each function returns null, or an error text that the caller frees. No exception leaves this file.

#include <arpa/inet.h>
#include <dlfcn.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstring>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include <ATen/ATen.h>
#include <c10/core/DeviceGuard.h>
#include <c10/core/impl/VirtualGuardImpl.h>
#include <torch/csrc/autograd/custom_function.h>
#include <torch/csrc/distributed/c10d/PrefixStore.hpp>
#include <torch/csrc/distributed/c10d/ProcessGroupGloo.hpp>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>

namespace {

using Millis = std::chrono::milliseconds;
using StorePtr = c10::intrusive_ptr<c10d::Store>;

template <typename F>
char* caught(F&& body) noexcept {
  try {
    body();
    return nullptr;
  } catch (const c10::Error& error) {
    return strdup(error.what_without_backtrace());
  } catch (const std::exception& error) {
    return strdup(error.what());
  } catch (...) {
    return strdup("unknown exception");
  }
}

// A socket that listens on `host` alone, for a host that is this machine's loopback; -1 for others.
// TCPStore itself listens on all interfaces, and whoever reaches it may change what is in it.
int loopback_socket(const char* host, uint16_t* port) {
  addrinfo hints{}, *found = nullptr;
  hints.ai_family = AF_INET;
  hints.ai_socktype = SOCK_STREAM;
  if (getaddrinfo(host, nullptr, &hints, &found) != 0) {
    return -1; // TCPStore says why
  }
  sockaddr_in address = *reinterpret_cast<sockaddr_in*>(found->ai_addr);
  freeaddrinfo(found);
  if ((ntohl(address.sin_addr.s_addr) >> 24) != 127) {
    return -1;
  }
  address.sin_port = htons(*port);
  socklen_t length = sizeof address;
  int on = 1, listening = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  auto* general = reinterpret_cast<sockaddr*>(&address);
  bool done = listening >= 0 && setsockopt(listening, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0 &&
      bind(listening, general, length) == 0 && listen(listening, 128) == 0 &&
      getsockname(listening, general, &length) == 0;
  if (!done) {
    int error = errno;
    close(listening);
    TORCH_CHECK(false, "cannot listen on ", host, ":", *port, ": ", strerror(error));
  }
  *port = ntohs(address.sin_port);
  return listening;
}

// NCCL's functions, as declared in nccl.h. torch's CUDA library links NCCL; here it is loaded on
// demand, so that machines without a GPU never load it.
struct Nccl {
  struct UniqueId {
    char internal[128];
  };
  int (*get_version)(int*);
  int (*get_unique_id)(UniqueId*);
  int (*comm_init_rank)(void**, int, UniqueId, int);
  int (*comm_destroy)(void*);
  int (*all_reduce)(const void*, void*, size_t, int, int, void*, void*);
  int (*broadcast)(const void*, void*, size_t, int, int, void*, void*);
  const char* (*get_error_string)(int);

  static const Nccl& get() {
    static const Nccl nccl;
    return nccl;
  }

  void check(int status, const char* what) const {
    TORCH_CHECK(status == 0, "NCCL's ", what, ": ", get_error_string(status));
  }

  static int type(at::ScalarType type) {
    switch (type) {
      case at::kByte: return 1;
      case at::kLong: return 4;
      case at::kHalf: return 6;
      case at::kFloat: return 7;
      case at::kDouble: return 8;
      case at::kBFloat16: return 9;
      default: TORCH_CHECK(false, "NCCL does not support the type ", type);
    }
  }

 private:
  Nccl() {
    void* library = dlopen("libnccl.so.2", RTLD_NOW | RTLD_LOCAL);
    TORCH_CHECK(library, "cannot load NCCL: ", dlerror());
    auto find = [&](auto& function, const char* name) {
      void* found = dlsym(library, name);
      TORCH_CHECK(found, "libnccl.so.2 has no ", name);
      function = reinterpret_cast<std::decay_t<decltype(function)>>(found);
    };
    find(get_version, "ncclGetVersion");
    find(get_unique_id, "ncclGetUniqueId");
    find(comm_init_rank, "ncclCommInitRank");
    find(comm_destroy, "ncclCommDestroy");
    find(all_reduce, "ncclAllReduce");
    find(broadcast, "ncclBroadcast");
    find(get_error_string, "ncclGetErrorString");
  }
};

// How often calls of a group have begun or ended: it is odd during a call. A thread that watches reads it.
using Calls = std::shared_ptr<std::atomic<uint64_t>>;

struct Call {
  explicit Call(const Calls& calls) : calls(*calls) {
    this->calls++;
  }
  ~Call() {
    calls++;
  }
  std::atomic<uint64_t>& calls;
};

// Starts a call of Gloo and waits for its end. Several groups of a process start one after the other:
// torch's flight recorder adds a group to its map without a lock (pytorch/pytorch#179313).
template <typename F>
void started_alone(F&& start) {
  static std::mutex starting;
  std::unique_lock<std::mutex> lock(starting);
  auto work = start();
  lock.unlock();
  work->wait();
}

// A group of processes that use Gloo on CPUs and NCCL on GPUs.
class Group : public torch::CustomClassHolder {
 public:
  const Calls calls = std::make_shared<std::atomic<uint64_t>>(0);

  Group(StorePtr store, int rank, int size, int gpu, const std::string& host, Millis timeout)
      : store_(std::move(store)) {
    if (gpu >= 0) {
      start_nccl(rank, size, gpu);
      return;
    }
    using Gloo = c10d::ProcessGroupGloo;
    auto options = host.empty() ? Gloo::Options::create_default(timeout) : Gloo::Options::create(timeout);
    if (!host.empty()) {
      options->devices.push_back(Gloo::createDeviceForHostname(host));
    }
    gloo_ = c10::make_intrusive<c10d::ProcessGroupGloo>(store_, rank, size, options);
  }

  ~Group() override {
    if (comm_) {
      Nccl::get().comm_destroy(comm_);
    }
  }

  void sum(at::Tensor tensor) {
    TORCH_CHECK(tensor.is_contiguous(), "cannot sum a tensor that is not contiguous");
    if (comm_) {
      return on_gpu(tensor, "ncclAllReduce", [&](const Nccl& nccl, void* data, int type) {
        return nccl.all_reduce(data, data, tensor.numel(), type, 0, comm_, nullptr);
      });
    }
    std::vector<at::Tensor> tensors{tensor.detach()};
    Call call(calls);
    started_alone([&] { return gloo_->allreduce(tensors); });
  }

  void broadcast(at::Tensor tensor, int root) {
    TORCH_CHECK(tensor.is_contiguous(), "cannot broadcast a tensor that is not contiguous");
    if (comm_) {
      return on_gpu(tensor, "ncclBroadcast", [&](const Nccl& nccl, void* data, int type) {
        return nccl.broadcast(data, data, tensor.numel(), type, root, comm_, nullptr);
      });
    }
    std::vector<at::Tensor> tensors{tensor.detach()};
    c10d::BroadcastOptions options;
    options.rootRank = root;
    Call call(calls);
    started_alone([&] { return gloo_->broadcast(tensors, options); });
  }

 private:
  void start_nccl(int rank, int size, int gpu) {
    const Nccl& nccl = Nccl::get();
    c10::DeviceGuard guard(at::Device(at::kCUDA, gpu));
    Nccl::UniqueId id;
    if (rank == 0) {
      nccl.check(nccl.get_unique_id(&id), "ncclGetUniqueId");
      store_->set("nccl", std::vector<uint8_t>(id.internal, id.internal + sizeof id.internal));
    }
    auto bytes = store_->get("nccl");
    TORCH_CHECK(bytes.size() == sizeof id.internal, "the NCCL ID in the store is malformed");
    std::memcpy(id.internal, bytes.data(), bytes.size());
    nccl.check(nccl.comm_init_rank(&comm_, size, id, rank), "ncclCommInitRank");
  }

  // Runs on the default stream, in order with torch's own work.
  template <typename F>
  void on_gpu(const at::Tensor& tensor, const char* what, F&& call) {
    c10::DeviceGuard guard(tensor.device());
    auto stream = c10::impl::VirtualGuardImpl(at::kCUDA).getStream(tensor.device());
    TORCH_CHECK(stream.id() == 0, "NCCL only runs on the default stream");
    const Nccl& nccl = Nccl::get();
    nccl.check(call(nccl, tensor.data_ptr(), Nccl::type(tensor.scalar_type())), what);
  }

  StorePtr store_;
  c10::intrusive_ptr<c10d::ProcessGroupGloo> gloo_;
  void* comm_ = nullptr;
};

using GroupPtr = c10::intrusive_ptr<Group>;

// The sum over all processes, with gradients: the gradient of a summand is the sum of the gradients
// of all processes.
struct SumWithGradient : torch::autograd::Function<SumWithGradient> {
  static at::Tensor forward(torch::autograd::AutogradContext* context, at::Tensor x, const GroupPtr& group) {
    context->saved_data["group"] = c10::IValue::make_capsule(group);
    auto sum = x.detach().clone(at::MemoryFormat::Contiguous);
    group->sum(sum);
    return sum;
  }

  static torch::autograd::variable_list backward(
      torch::autograd::AutogradContext* context, torch::autograd::variable_list gradients) {
    auto group = c10::static_intrusive_pointer_cast<Group>(context->saved_data["group"].toCapsule());
    auto sum = gradients[0].detach().clone(at::MemoryFormat::Contiguous);
    group->sum(sum);
    return {sum, at::Tensor()};
  }
};

} // namespace

extern "C" {

// Hosts a store, at any free port if `port` is 0, or connects to one.
char* ror_c10d_store(const char* host, uint16_t port, bool serves, int64_t millis, void** out, uint16_t* at) {
  return caught([&] {
    c10d::TCPStoreOptions options;
    options.port = port;
    options.isServer = serves;
    options.waitWorkers = false;
    options.timeout = Millis(millis);
    if (serves) {
      int listening = loopback_socket(host, &port);
      if (listening >= 0) {
        options.port = port;
        options.masterListenFd = listening;
      }
    }
    auto store = c10::make_intrusive<c10d::TCPStore>(host, options);
    *at = store->getPort();
    *out = new StorePtr(store);
  });
}

char* ror_c10d_store_set(void* store, const char* key, const char* value) {
  return caught([&] { (*static_cast<StorePtr*>(store))->set(key, std::string(value)); });
}

// The text of a key, which the caller frees, or null if it is not set.
char* ror_c10d_store_get(void* store, const char* key, char** out) {
  return caught([&] {
    auto& own = *static_cast<StorePtr*>(store);
    *out = own->check({key}) ? strdup(own->get_to_str(key).c_str()) : nullptr;
  });
}

void ror_c10d_store_free(void* store) {
  char* error = caught([&] { delete static_cast<StorePtr*>(store); });
  free(error);
}

// `gpu` is the GPU's number, or -1 for the CPU. `host` is this machine's name or address, or empty.
char* ror_c10d_group(
    void* store, const char* prefix, int rank, int size, int gpu, const char* host, int64_t millis, void** out) {
  return caught([&] {
    auto own = c10::make_intrusive<c10d::PrefixStore>(prefix, *static_cast<StorePtr*>(store));
    *out = new GroupPtr(c10::make_intrusive<Group>(own, rank, size, gpu, host, Millis(millis)));
  });
}

void ror_c10d_group_free(void* group) {
  char* error = caught([&] { delete static_cast<GroupPtr*>(group); });
  free(error);
}

// The calls of a group, which may outlive it.
char* ror_c10d_group_calls(void* group, void** out) {
  return caught([&] { *out = new Calls((*static_cast<GroupPtr*>(group))->calls); });
}

uint64_t ror_c10d_calls(const void* calls) {
  return (*static_cast<const Calls*>(calls))->load();
}

void ror_c10d_calls_free(void* calls) {
  delete static_cast<Calls*>(calls);
}

char* ror_c10d_sum(void* group, void* tensor) {
  return caught([&] { (*static_cast<GroupPtr*>(group))->sum(*static_cast<at::Tensor*>(tensor)); });
}

char* ror_c10d_broadcast(void* group, void* tensor, int root) {
  return caught([&] { (*static_cast<GroupPtr*>(group))->broadcast(*static_cast<at::Tensor*>(tensor), root); });
}

char* ror_c10d_sum_with_gradient(void* group, void* tensor, void** out) {
  return caught([&] {
    auto sum = SumWithGradient::apply(*static_cast<at::Tensor*>(tensor), *static_cast<GroupPtr*>(group));
    *out = new at::Tensor(sum);
  });
}

// Loads NCCL and returns its version, such as 22809. Does not need a GPU.
char* ror_c10d_nccl_version(int* out) {
  return caught([&] {
    const Nccl& nccl = Nccl::get();
    nccl.check(nccl.get_version(out), "ncclGetVersion");
  });
}

void ror_c10d_free(char* text) {
  free(text);
}

}
