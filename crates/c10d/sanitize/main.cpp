// Calls every function of the shim as two ranks in two threads. run.sh runs it under AddressSanitizer.

#include <cstdio>
#include <cstdlib>
#include <string>
#include <thread>

#include <ATen/ATen.h>

extern "C" {
char* ror_c10d_store(const char*, uint16_t, bool, int64_t, void**, uint16_t*);
char* ror_c10d_store_set(void*, const char*, const char*);
char* ror_c10d_store_get(void*, const char*, char**);
void ror_c10d_store_free(void*);
char* ror_c10d_group(void*, const char*, int, int, int, const char*, int64_t, void**);
void ror_c10d_group_free(void*);
char* ror_c10d_group_calls(void*, void**);
uint64_t ror_c10d_calls(const void*);
void ror_c10d_calls_free(void*);
char* ror_c10d_sum(void*, void*);
char* ror_c10d_broadcast(void*, void*, int);
char* ror_c10d_sum_with_gradient(void*, void*, void**);
char* ror_c10d_nccl_version(int*);
void ror_c10d_free(char*);
}

namespace {

void check(bool right, const char* what) {
  if (!right) {
    std::fprintf(stderr, "wrong: %s\n", what);
    std::_Exit(1);
  }
}

void good(char* error) {
  check(error == nullptr, error);
}

void bad(char* error) {
  check(error != nullptr, "an error was expected");
  ror_c10d_free(error);
}

void* store(uint16_t port, bool serves, uint16_t* at) {
  void* made = nullptr;
  good(ror_c10d_store("127.0.0.1", port, serves, 60000, &made, at));
  return made;
}

void rank(int number, uint16_t port) try {
  uint16_t at = 0;
  void* own = store(port, false, &at);
  void* group = nullptr;
  good(ror_c10d_group(own, "asan", number, 2, -1, "127.0.0.1", 60000, &group));
  for (int i = 0; i < 200; i++) {
    at::Tensor tensor = at::full({1000 + i}, number + 1.0);
    good(ror_c10d_sum(group, &tensor));
    check(tensor[i].item<float>() == 3.0f, "a sum");
    good(ror_c10d_broadcast(group, &tensor, i % 2));
  }
  at::Tensor turned = at::zeros({2, 3}).t();
  bad(ror_c10d_sum(group, &turned));
  at::Tensor leaf = at::full({3}, number + 1.0).set_requires_grad(true);
  void* sum = nullptr;
  good(ror_c10d_sum_with_gradient(group, &leaf, &sum));
  auto* result = static_cast<at::Tensor*>(sum);
  auto loss = (*result * *result).sum();
  // The autograd graph outlives the caller's reference to the group.
  void* calls = nullptr;
  good(ror_c10d_group_calls(group, &calls));
  ror_c10d_group_free(group);
  ror_c10d_store_free(own);
  loss.backward();
  check(ror_c10d_calls(calls) == 2 * (200 + 200 + 2), "the number of calls");
  ror_c10d_calls_free(calls);
  check(leaf.grad()[0].item<float>() == 12.0f, "a gradient");
  delete result;
} catch (const std::exception& error) {
  check(false, error.what());
}

} // namespace

int main() {
  uint16_t port = 0, other = 0;
  void* served = store(0, true, &port);
  void* none = nullptr;
  bad(ror_c10d_store("127.0.0.1", port, true, 300, &none, &other));
  bad(ror_c10d_group(served, "alone", 0, 2, -1, "127.0.0.1", 300, &none));
  char none_set = 0, *found = &none_set;
  good(ror_c10d_store_get(served, "key", &found));
  check(found == nullptr, "a key that was not set");
  good(ror_c10d_store_set(served, "key", "text"));
  good(ror_c10d_store_get(served, "key", &found));
  check(found && std::string(found) == "text", "a key that was set");
  ror_c10d_free(found);
  std::thread first(rank, 0, port), second(rank, 1, port);
  first.join();
  second.join();
  int version = 0;
  char* nccl = ror_c10d_nccl_version(&version); // NCCL may be missing
  ror_c10d_free(nccl);
  ror_c10d_store_free(served);
  std::puts("every function was called");
}
