/*
 * Python's part of reattach.i. Handles are capsules: they free what they hold when the last reference goes, and a call
 * under way holds one, so no thread can free what another one uses.
 */
%begin %{
#ifndef Py_LIMITED_API
#define Py_LIMITED_API 0x030B0000 /* 3.11 brought Py_buffer */
#endif
%}

/* --- errors ------------------------------------------------------------------------------------------------------- */

%{
static PyObject *error_factory; /* makes an exception of an error's fields */
static PyObject *event_handler; /* gets (listener id, event) */

/* A new exception object, or NULL with another one raised. */
static PyObject *make_error(const ra_error *error)
{
    return PyObject_CallFunction(error_factory, "isssisOOO", (int)ra_error_code(error), ra_error_name(error),
                                 ra_error_message(error), ra_error_endpoint(error), (int)ra_error_broker_code(error),
                                 ra_error_broker_text(error), ra_error_is_retriable(error) ? Py_True : Py_False,
                                 ra_error_is_fatal(error) ? Py_True : Py_False,
                                 ra_error_is_outcome_unknown(error) ? Py_True : Py_False);
}

static void raise_error(ra_error *error)
{
    PyObject *made = make_error(error);

    ra_error_free(error);
    if (made != NULL)
        PyErr_SetObject((PyObject *)Py_TYPE(made), made);
    Py_XDECREF(made);
}

static PyObject *replace_callable(PyObject **slot, PyObject *callable)
{
    PyObject *old = *slot;

    if (!PyCallable_Check(callable)) {
        PyErr_SetString(PyExc_TypeError, "a callable was expected");
        return NULL;
    }
    Py_INCREF(callable);
    *slot = callable;
    Py_XDECREF(old);
    Py_RETURN_NONE;
}
%}

%typemap(argout) ra_error **err {
    if (*$1 != NULL) {
        Py_XDECREF($result); /* outputs that are NULL */
        raise_error(*$1);
        SWIG_fail;
    }
}
%typemap(out) int32_t "$result = PyLong_FromLong($1);"
%typemap(out) int "(void)$1; Py_INCREF(Py_None); $result = Py_None;"
%typemap(out) const ra_error * {
    if ($1 == NULL) {
        Py_INCREF(Py_None);
        $result = Py_None;
    } else if (($result = make_error($1)) == NULL) {
        SWIG_fail;
    }
}

/* --- handles ------------------------------------------------------------------------------------------------------ */

%{
/* NULL for None; -1 with an exception for anything but that kind of handle. */
static int handle_of(PyObject *object, const char *name, void **out)
{
    *out = NULL;
    if (object == Py_None)
        return 0;
    if (!PyCapsule_IsValid(object, name)) {
        PyErr_Format(PyExc_TypeError, "expected %s, got %R", name, object);
        return -1;
    }
    *out = PyCapsule_GetPointer(object, name);
    return 0;
}

static PyObject *handle_new(void *pointer, const char *name, PyCapsule_Destructor destructor)
{
    if (pointer == NULL)
        Py_RETURN_NONE;
    return PyCapsule_New(pointer, name, destructor);
}
%}

%define RA_HANDLE(TYPE, RELEASE)
%{
static void end_##TYPE(PyObject *capsule)
{
    RELEASE((TYPE *)PyCapsule_GetPointer(capsule, #TYPE));
}
%}
%typemap(in) TYPE *, const TYPE * {
    void *pointer;
    if (handle_of($input, #TYPE, &pointer) < 0)
        SWIG_fail;
    $1 = ($1_ltype)pointer;
}
%typemap(argout) TYPE ** {
    $result = SWIG_Python_AppendOutput($result, handle_new(*$1, #TYPE, end_##TYPE), 1);
}
%enddef

/* The session of an event is borrowed: only its address is of use, to find one's own object by. */
%typemap(out) ra_session *ra_event_session "$result = PyLong_FromVoidPtr($1);"

/* --- texts and bytes ---------------------------------------------------------------------------------------------- */

%{
/* A zero byte would cut a name off in silence. */
static int text_of(PyObject *object, const char **out)
{
    Py_ssize_t size;

    *out = NULL;
    if (object == Py_None)
        return 0;
    if (!PyUnicode_Check(object)) {
        PyErr_Format(PyExc_TypeError, "expected str, got %R", object);
        return -1;
    }
    *out = PyUnicode_AsUTF8AndSize(object, &size);
    if (*out != NULL && strlen(*out) != (size_t)size) {
        PyErr_Format(PyExc_ValueError, "a zero character in %R", object);
        return -1;
    }
    return *out == NULL ? -1 : 0;
}

static PyObject *text_from(const char *text)
{
    if (text == NULL)
        Py_RETURN_NONE;
    return PyUnicode_FromString(text);
}
%}

%typemap(in) const char * {
    const char *text;
    if (text_of($input, &text) < 0)
        SWIG_fail;
    $1 = ($1_ltype)text;
}
%typemap(freearg) const char * ""
%typemap(out) const char * "$result = text_from($1);"
%typemap(argout) const char **key_out, const char **address_out
    "$result = SWIG_Python_AppendOutput($result, text_from(*$1), 1);"

/* Sized: zero bytes are welcome; nothing is NULL. */
%typemap(in) (const char *text, size_t size), (const char *value, size_t size) {
    Py_ssize_t size = 0;
    $1 = NULL;
    if ($input != Py_None && ($1 = (char *)PyUnicode_AsUTF8AndSize($input, &size)) == NULL)
        SWIG_fail;
    $2 = (size_t)size;
}
%typemap(argout) (const char **text_out, size_t *size_out), (const char **value_out, size_t *size_out) {
    PyObject *made = Py_None;
    if (*$1 != NULL)
        made = PyUnicode_DecodeUTF8(*$1, (Py_ssize_t)*$2, "strict");
    else
        Py_INCREF(made);
    $result = SWIG_Python_AppendOutput($result, made, 1);
}
%typemap(in) (const void *bytes, size_t size) (Py_buffer view = { 0 }),
             (const void *value, size_t size) (Py_buffer view = { 0 }) {
    if (PyObject_GetBuffer($input, &view, PyBUF_SIMPLE) < 0)
        SWIG_fail;
    $1 = view.buf;
    $2 = (size_t)view.len;
}
%typemap(freearg) (const void *bytes, size_t size), (const void *value, size_t size)
    "if (view$argnum.obj != NULL) PyBuffer_Release(&view$argnum);"
%typemap(argout) (const void **bytes_out, size_t *size_out), (const void **value_out, size_t *size_out)
    "$result = SWIG_Python_AppendOutput($result, PyBytes_FromStringAndSize(*$1, (Py_ssize_t)*$2), 1);"

%typemap(in) const uint8_t id[16] {
    Py_ssize_t size = 0;
    char *bytes = NULL;
    if ($input != Py_None && PyBytes_AsStringAndSize($input, &bytes, &size) < 0)
        SWIG_fail;
    if (bytes != NULL && size != 16) {
        PyErr_Format(PyExc_ValueError, "a user id has 16 bytes, not %zd", size);
        SWIG_fail;
    }
    $1 = (uint8_t *)bytes;
}
%typemap(freearg) const uint8_t id[16] ""
%typemap(argout) uint8_t id_out[16]
    "$result = SWIG_Python_AppendOutput($result, PyBytes_FromStringAndSize((const char *)$1, 16), 1);"

/* --- numbers ------------------------------------------------------------------------------------------------------ */

%typemap(argout) int *value_out
    "$result = SWIG_Python_AppendOutput($result, PyBool_FromLong(*$1), 1);"
%typemap(argout) int32_t *value_out, int64_t *value_out, int64_t *not_done_out, int64_t *unknown_out, uint16_t *value_out
    "$result = SWIG_Python_AppendOutput($result, PyLong_FromLongLong(*$1), 1);"
%typemap(argout) float *value_out, double *value_out
    "$result = SWIG_Python_AppendOutput($result, PyFloat_FromDouble(*$1), 1);"

/* --- listeners: C holds an id, the callable is in a table of Python's --------------------------------------------- */

%{
/* The event is lent for the call. Exceptions of listeners are kept by the handler; one is left behind here only when Python
 * raises on the way to it: no memory, or Ctrl-C in that moment. */
static void call_handler(unsigned long long id, const ra_event *event)
{
    static const char over[] = "ra_event of a listener that has returned";
    PyObject *lent = PyCapsule_New((void *)(uintptr_t)event, "ra_event", NULL);
    PyObject *done = lent != NULL ? PyObject_CallFunction(event_handler, "KO", id, lent) : NULL;

    if (lent != NULL)
        PyCapsule_SetName(lent, over);
    Py_XDECREF(done);
    Py_XDECREF(lent);
}

/* Runs inside ra_connection_dispatch() alone, which let go of the lock. What is raised goes on when that has returned; the
 * listeners behind it still hear. */
static void call_listener(void *user, const ra_event *event)
{
    PyGILState_STATE state = PyGILState_Ensure();
    PyObject *type, *value, *trace;

    PyErr_Fetch(&type, &value, &trace);
    call_handler((uintptr_t)user, event);
    if (type != NULL)
        PyErr_Restore(type, value, trace);
    PyGILState_Release(state);
}
%}
%exception ra_connection_dispatch {
    $action
    if (PyErr_Occurred()) {
        ra_error_free(*arg3);
        SWIG_fail;
    }
}

%typemap(in) (ra_listener_function function, void *user, ra_release_function release) {
    unsigned long long id = PyLong_AsUnsignedLongLong($input);
    if (PyErr_Occurred())
        SWIG_fail;
    $1 = call_listener;
    $2 = (void *)(uintptr_t)id;
    $3 = NULL;
}

%inline %{
static PyObject *set_error_factory(PyObject *callable)
{
    return replace_callable(&error_factory, callable);
}

static PyObject *set_event_handler(PyObject *callable)
{
    return replace_callable(&event_handler, callable);
}
%}
