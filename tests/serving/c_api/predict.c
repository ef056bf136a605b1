/*
 * Asks a SavedModel through TensorFlow's C API, as a server without Python does.
 *
 *     predict [--op-library FILE.so] MODEL INPUT OUTPUT[,OUTPUT...] EXAMPLE... [-- EXAMPLE...]...
 *
 * MODEL is the folder of a SavedModel with the tag `serve`; its variables and tables are initialised by the load.
 * INPUT and OUTPUT are tensors of its graph (`StatefulPartitionedCall:0`; `saved_model_cli show` lists those of a
 * signature), and each EXAMPLE is a file with one serialized tf.Example, a row of the string batch fed to INPUT; after
 * `--` comes another batch.
 *
 * Of each batch, each output is printed as a line `output NAME TYPE SHAPE...` and a line per value in row-major order,
 * in which the bytes of a string that are no printable ASCII, and backslashes, read \xHH. The libraries of the process
 * follow, a line `library PATH` each. Anything that fails is told on stderr and ends the program with status 1; bad
 * usage with 2.
 *
 * test_c_api.py compiles it against the headers and libraries of the installed tensorflow wheel and runs it.
 */
#define _GNU_SOURCE /* dl_iterate_phdr */
#include <inttypes.h>
#include <link.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tensorflow/c/c_api.h"

static void fail(const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  vfprintf(stderr, format, arguments);
  va_end(arguments);
  fputc('\n', stderr);
  exit(1);
}

static void check(const TF_Status *status, const char *doing) {
  if (TF_GetCode(status) != TF_OK) fail("%s: code %d: %s", doing, TF_GetCode(status), TF_Message(status));
}

static void *allocate(size_t count, size_t size) {
  void *memory = calloc(count, size);
  if (memory == NULL) fail("out of memory for %zu values of %zu bytes", count, size);
  return memory;
}

/* Reads a whole file into the string, which must be initialised. */
static void read_file(const char *path, TF_TString *content) {
  FILE *file = fopen(path, "rb");
  if (file == NULL) fail("%s cannot be opened", path);
  long size = fseek(file, 0, SEEK_END) == 0 ? ftell(file) : -1;
  if (size < 0 || fseek(file, 0, SEEK_SET) != 0) fail("%s has no size", path);
  char *bytes = allocate((size_t)size + 1, 1);
  if (fread(bytes, 1, (size_t)size, file) != (size_t)size) fail("%s cannot be read", path);
  TF_StringCopy(content, bytes, (size_t)size);
  free(bytes);
  fclose(file);
}

/* Returns the string tensor [count] of the files' contents. */
static TF_Tensor *read_examples(char **paths, int count) {
  int64_t shape[] = {count};
  TF_Tensor *examples = TF_AllocateTensor(TF_STRING, shape, 1, (size_t)count * sizeof(TF_TString));
  if (examples == NULL) fail("out of memory for %d examples", count);
  TF_TString *rows = TF_TensorData(examples);
  for (int row = 0; row < count; ++row) {
    TF_StringInit(&rows[row]);
    read_file(paths[row], &rows[row]);
  }
  return examples;
}

static void delete_examples(TF_Tensor *examples) {
  TF_TString *rows = TF_TensorData(examples);
  for (int64_t row = 0; row < TF_TensorElementCount(examples); ++row) TF_StringDealloc(&rows[row]);
  TF_DeleteTensor(examples);
}

/* Finds a tensor by its name OPERATION:INDEX. */
static TF_Output find_tensor(TF_Graph *graph, const char *name) {
  const char *colon = strrchr(name, ':');
  if (colon == NULL) fail("%s is no tensor: give OPERATION:INDEX", name);
  size_t length = (size_t)(colon - name);
  char *operation = allocate(length + 1, 1);
  memcpy(operation, name, length);
  TF_Output tensor = {TF_GraphOperationByName(graph, operation), atoi(colon + 1)};
  if (tensor.oper == NULL) fail("the graph has no operation %s", operation);
  if (tensor.index < 0 || tensor.index >= TF_OperationNumOutputs(tensor.oper))
    fail("%s: operation %s has %d outputs", name, operation, TF_OperationNumOutputs(tensor.oper));
  free(operation);
  return tensor;
}

static void print_string(const TF_TString *string) {
  const char *bytes = TF_StringGetDataPointer(string);
  for (size_t place = 0; place < TF_StringGetSize(string); ++place) {
    unsigned char byte = (unsigned char)bytes[place];
    if (byte < ' ' || byte > '~' || byte == '\\')
      printf("\\x%02x", byte);
    else
      putchar(byte);
  }
}

static void print_tensor(const char *name, const TF_Tensor *tensor) {
  TF_DataType type = TF_TensorType(tensor);
  const char *type_name = type == TF_STRING  ? "string"
                          : type == TF_FLOAT ? "float32"
                          : type == TF_INT32 ? "int32"
                          : type == TF_INT64 ? "int64"
                                             : NULL;
  if (type_name == NULL) fail("%s has type %d, which this program does not print", name, type);
  printf("output %s %s", name, type_name);
  for (int axis = 0; axis < TF_NumDims(tensor); ++axis) printf(" %" PRId64, TF_Dim(tensor, axis));
  putchar('\n');
  const void *data = TF_TensorData(tensor);
  for (int64_t place = 0; place < TF_TensorElementCount(tensor); ++place) {
    if (type == TF_STRING) print_string((const TF_TString *)data + place);
    if (type == TF_FLOAT) printf("%.9g", ((const float *)data)[place]);
    if (type == TF_INT32) printf("%" PRId32, ((const int32_t *)data)[place]);
    if (type == TF_INT64) printf("%" PRId64, ((const int64_t *)data)[place]);
    putchar('\n');
  }
}

static int print_library(struct dl_phdr_info *library, size_t size, void *unused) {
  (void)size, (void)unused;
  if (library->dlpi_name[0] != '\0') printf("library %s\n", library->dlpi_name); /* the program itself has no name */
  return 0;
}

/* Splits names at the commas, in place, and returns how many there are. */
static int split(char *names, char ***parts) {
  int count = 1;
  for (const char *place = names; *place != '\0'; ++place) count += *place == ',';
  *parts = allocate((size_t)count, sizeof **parts);
  int part = 0;
  for (char *name = strtok(names, ","); name != NULL; name = strtok(NULL, ",")) (*parts)[part++] = name;
  return part;
}

int main(int argc, char **argv) {
  const char *program = *argv++, *op_library = NULL;
  if (argc > 2 && strcmp(*argv, "--op-library") == 0) {
    op_library = argv[1];
    argv += 2;
    argc -= 2;
  }
  if (argc < 5) {
    fprintf(stderr, "usage: %s [--op-library FILE.so] MODEL INPUT OUTPUT[,OUTPUT...] EXAMPLE... [-- EXAMPLE...]...\n",
            program);
    return 2;
  }
  const char *model = argv[0], *input_name = argv[1];
  char **output_names;
  int num_outputs = split(argv[2], &output_names);
  TF_Status *status = TF_NewStatus();

  TF_Library *library = NULL;
  if (op_library != NULL) {
    library = TF_LoadLibrary(op_library, status);
    check(status, op_library);
  }

  const char *tags[] = {"serve"};
  TF_Graph *graph = TF_NewGraph();
  TF_SessionOptions *options = TF_NewSessionOptions();
  TF_Session *session = TF_LoadSessionFromSavedModel(options, NULL, model, tags, 1, graph, NULL, status);
  check(status, model);

  TF_Output input = find_tensor(graph, input_name);
  TF_Output *outputs = allocate((size_t)num_outputs, sizeof *outputs);
  TF_Tensor **answers = allocate((size_t)num_outputs, sizeof *answers);
  for (int output = 0; output < num_outputs; ++output) outputs[output] = find_tensor(graph, output_names[output]);

  for (char **paths = argv + 3, **end = argv + argc - 1; paths < end; ++paths) {
    int count = 0;
    while (paths + count < end && strcmp(paths[count], "--") != 0) ++count;
    TF_Tensor *examples = read_examples(paths, count);
    TF_SessionRun(session, NULL, &input, &examples, 1, outputs, answers, num_outputs, NULL, 0, NULL, status);
    check(status, "the request was refused");

    for (int output = 0; output < num_outputs; ++output) {
      print_tensor(output_names[output], answers[output]);
      TF_DeleteTensor(answers[output]);
    }
    delete_examples(examples);
    paths += count;
  }
  dl_iterate_phdr(print_library, NULL);

  TF_CloseSession(session, status);
  check(status, "closing the session");
  TF_DeleteSession(session, status);
  check(status, "deleting the session");
  TF_DeleteSessionOptions(options);
  TF_DeleteGraph(graph);
  if (library != NULL) TF_DeleteLibraryHandle(library);
  TF_DeleteStatus(status);
  free(answers);
  free(outputs);
  free(output_names);
  if (fflush(stdout) != 0) fail("the answer cannot be written");
  return 0;
}
