// The same of one unit.
fn one_d_y(layer: Layer, tile: u32, t: u32, unit: u32, sq: u32, at: At) -> vec4<f32> {
    let position = t / layer.pool;
    let j = t % layer.pool;
    let d = arena[row_of(at, tile, layer.d_y + position * layer.units + unit) + sq];
    if layer.pool == 1u {
        return d;
    }
    if layer.pool <= PACKED_POOL {
        let packed = vec4<u32>(arena[row_of(at, tile, layer.winners + position * layer.quads + unit / 4u) + sq]);
        return select(vec4(0.0), d, ((packed >> vec4(6u * (unit % 4u))) & vec4(63u)) == vec4(j));
    }
    let winner = arena[row_of(at, tile, layer.winners + position * layer.units + unit) + sq];
    return select(vec4(0.0), d, winner == vec4(f32(j)));
}
