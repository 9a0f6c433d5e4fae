// A library that is loaded when it is first needed, so that starting the program maps nothing it does not use. A room
// that uses one has a table of its functions, typed by the real header: a changed signature fails to compile.
#pragma once

namespace sandbox {

class SharedLibrary {
 public:
  /// dlopen(3); it stays mapped until the process ends. Throws Unsupported, whose hint tells where it comes from.
  SharedLibrary(const char* name, const char* hint);

  /// Throws Unsupported when the library has no such function.
  template <class Function>
  void resolve(const char* symbol, Function*& function) const {
    function = reinterpret_cast<Function*>(address(symbol));
  }

 private:
  void* address(const char* symbol) const;

  const char* name_;
  const char* hint_;
  void* handle_;
};

}  // namespace sandbox
