// Values as codes and as bits.
#include "bits.h"
#include "layer.h"
#include "operations.h"

namespace snncc {

int Program::as_codes(int index) {
    buffer(index);
    Forms& forms = forms_[static_cast<size_t>(index)];
    if (forms.codes) return index;
    forms.codes = true;
    add_operation(make_unpacking(buffer(index), forms.bits, index), is_lasting(index));
    return index;
}

Wide Program::as_codes(Wide value) {
    as_codes(value.low);
    if (value.high >= 0) as_codes(value.high);
    return value;
}

int Program::as_bits(int index) {
    const int known = forms_[static_cast<size_t>(index)].bits;
    if (known >= 0) return known;
    const int bits = add_buffer(bit_geometry(buffer(index)));
    forms_[static_cast<size_t>(index)].bits = bits;
    add_operation(make_packing(buffer(index), index, bits), is_lasting(index));
    return bits;
}

// Its only writer writes the bits: its codes are not there.
int Program::written_as_bits(int index) {
    require(!has_bits(index), "a value that is read before it is written");
    const int bits = add_buffer(bit_geometry(buffer(index)));
    forms_[static_cast<size_t>(index)] = {bits, false};
    return bits;
}

// On bits the maximum is "any".
void Program::add_bit_pool(int source, int destination, const PoolShape& shape) {
    const int from = as_bits(source), to = written_as_bits(destination);
    add_operation(make_bit_pool(buffer(from), buffer(to), from, to, shape), is_lasting(destination));
}

}  // namespace snncc
